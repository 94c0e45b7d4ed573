#pragma once
// What `vmoe bench` prints, as text and as JSON.

#include <iosfwd>
#include <string>

#include "cli/output.h"
#include "train/bench.h"
#include "train/bench_gemm.h"

namespace vmoe {

/// `options.threads` are those that ran, not 0.
void print(std::ostream& out, const BenchResult& result, const std::string& mode,
           const BenchOptions& options);
Json to_json(const BenchResult& result, const std::string& mode, const BenchOptions& options);

void print(std::ostream& out, const std::vector<GemmSpeed>& speeds, const GemmOptions& options);
Json to_json(const std::vector<GemmSpeed>& speeds, const GemmOptions& options);

}  // namespace vmoe
