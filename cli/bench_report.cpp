#include "cli/bench_report.h"

#include <algorithm>
#include <ostream>

#include "tensor/kernels/kernels.h"
#include "tensor/matmul.h"

namespace vmoe {
namespace {

struct Spread {
  double least, most;
};

Spread spread_of(const std::vector<double>& rounds) {
  const auto [least, most] = std::minmax_element(rounds.begin(), rounds.end());
  return {*least, *most};
}

// A row of the breakdown. The time of all threads is divided by their number and by the steps, so that rows
// add up to the mean step.
struct Row {
  std::string name;
  double ms, share, calls;
  double gflops;  // of one thread; 0 where there are no products
};

std::vector<Row> breakdown(const BenchResult& r, const BenchOptions& options) {
  std::vector<Row> rows;
  const auto steps = static_cast<double>(r.steps);
  const double all = r.seconds * options.threads;
  double rest = all;
  for (const KernelTime& k : r.kernels) {
    rows.push_back({k.name, 1e3 * k.seconds / options.threads / steps, k.seconds / all,
                    static_cast<double>(k.calls) / steps, k.flops > 0 ? 1e-9 * k.flops / k.seconds : 0});
    rest -= k.seconds;
  }
  rows.push_back({"elsewhere", 1e3 * rest / options.threads / steps, rest / all, 0, 0});
  return rows;
}

std::string breakdown_table(const BenchResult& r, const BenchOptions& options) {
  std::vector<std::vector<std::string>> rows = {
      {"  kernel", "ms a step", "share", "calls", "GFLOP/s a thread", "of peak"}};
  const double peak = r.peak_gflops / options.threads;
  for (const Row& row : breakdown(r, options)) {
    rows.push_back({"  " + row.name, fixed(row.ms, 3), percent(row.share, 1), fixed(row.calls, 0)});
    if (row.gflops > 0) {
      rows.back().push_back(fixed(row.gflops, 1));
      rows.back().push_back(percent(row.gflops / peak, 0));
    }
  }
  return columns(rows);
}

}  // namespace

Json to_json(const BenchResult& r, const std::string& mode, const BenchOptions& options) {
  Json json = json_result();
  json["mode"] = mode;
  json["batch_size"] = options.batch_size;
  json["threads"] = options.threads;
  json["isa"] = kernels().name;
  json["images_per_second"] = r.images_per_second;
  json["p50_ms"] = r.p50_ms;
  json["p95_ms"] = r.p95_ms;
  json["min_ms"] = r.min_ms;
  json["peak_rss_mb"] = r.peak_rss_mb;
  json["flops_per_image"] = r.flops_per_image;
  json["rounds"] = r.rounds;
  json["spread"] = {spread_of(r.rounds).least, spread_of(r.rounds).most};
  json["gflops"] = r.gflops();
  json["peak_gflops"] = r.peak_gflops;
  json["peak_fraction"] = r.gflops() / r.peak_gflops;
  json["precision"] = name_of(options.precision);
  json["steps"] = r.steps;
  json["config"] = to_json(options.model);
  if (!options.breakdown) return json;
  for (const Row& row : breakdown(r, options)) {
    json["breakdown"].push_back(
        {{"kernel", row.name}, {"ms", row.ms}, {"share", row.share}, {"calls", row.calls}});
    if (row.gflops > 0) json["breakdown"].back()["gflops"] = row.gflops;
  }
  return json;
}

void print(std::ostream& out, const BenchResult& r, const std::string& mode, const BenchOptions& options) {
  const Spread spread = spread_of(r.rounds);
  out << mode << ", batch " << options.batch_size << ", " << options.threads << " threads, " << kernels().name
      << ", " << name_of(options.precision) << ": " << fixed(r.images_per_second, 1) << " img/s ("
      << fixed(spread.least, 1) << " to " << fixed(spread.most, 1) << " in " << r.rounds.size()
      << " rounds)\n  step: p50 " << fixed(r.p50_ms, 2) << " ms, p95 " << fixed(r.p95_ms, 2) << " ms, least "
      << fixed(r.min_ms, 2) << " ms, " << r.steps << " steps\n  " << fixed(r.gflops(), 1) << " GFLOP/s, "
      << percent(r.gflops() / r.peak_gflops, 1) << " of the peak of " << fixed(r.peak_gflops, 1)
      << " GFLOP/s; peak memory " << fixed(r.peak_rss_mb, 0) << " MiB\n";
  if (options.breakdown) out << "Where the time went, timing included\n" << breakdown_table(r, options);
}

void print(std::ostream& out, const std::vector<GemmSpeed>& speeds, const GemmOptions& options) {
  out << "gemm, " << images_of(options) << " images in a product, " << options.threads << " threads, "
      << kernels().name << ": GFLOP/s, and of the peak of multiply-adds in the same moments\n";
  std::vector<std::vector<std::string>> rows = {
      {"  layer", "product", "m", "n", "k", "times", "own", "of peak", "OpenBLAS", "of peak", "peak"}};
  for (const GemmSpeed& s : speeds) {
    rows.push_back({"  " + s.layer, s.product, std::to_string(s.m), std::to_string(s.n), std::to_string(s.k),
                    std::to_string(s.times), fixed(s.own, 1), percent(s.own / s.peak, 0),
                    s.blas > 0 ? fixed(s.blas, 1) : "-", s.blas > 0 ? percent(s.blas / s.peak, 0) : "-",
                    fixed(s.peak, 1)});
  }
  out << columns(rows) << "BLAS: " << blas_description() << '\n';
}

Json to_json(const std::vector<GemmSpeed>& speeds, const GemmOptions& options) {
  Json json = json_result();
  json["mode"] = "gemm";
  json["images"] = images_of(options);
  json["threads"] = options.threads;
  json["isa"] = kernels().name;
  json["blas"] = blas_description();
  json["products"] = Json::array();
  for (const GemmSpeed& s : speeds) {
    json["products"].push_back({{"layer", s.layer},
                                {"product", s.product},
                                {"m", s.m},
                                {"n", s.n},
                                {"k", s.k},
                                {"times", s.times},
                                {"gflops", s.own},
                                {"peak_gflops", s.peak},
                                {"peak_fraction", s.own / s.peak}});
    if (s.blas > 0) json["products"].back()["blas_gflops"] = s.blas;
  }
  json["config"] = to_json(options.model);
  return json;
}

}  // namespace vmoe
