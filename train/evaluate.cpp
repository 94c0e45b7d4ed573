#include "train/evaluate.h"

#include <algorithm>
#include <chrono>

#include "tensor/math.h"
#include "train/inference.h"
#include "train/rank.h"

namespace vmoe {

namespace {

// Softmax of one row of logits in double; returns log sum e^logits.
double softmax_of(const real* logits, int classes, double* p) {
  const double most = *std::max_element(logits, logits + classes);
  double sum = 0;
  for (int i = 0; i < classes; ++i) sum += p[i] = math::exp(logits[i] - most);
  for (int i = 0; i < classes; ++i) p[i] /= sum;
  return most + math::log(sum);
}

// Adds the logits of one image to the figures; `p` is scratch for `classes` numbers.
void count_image(Evaluation& e, Confusion confusion, const real* logits, int label, double* p) {
  const int rank = rank_of(logits, e.classes, label);
  e.top1 += rank < 1;
  e.hits.push_back(rank < 1);
  e.top5 += rank < 5;
  e.loss += softmax_of(logits, e.classes, p) - logits[label];
  if (confusion == Confusion::none) return;
  double* row = e.confusion.data() + static_cast<size_t>(label) * e.classes;
  if (confusion == Confusion::hard) {
    row[std::max_element(logits, logits + e.classes) - logits] += 1;
  } else {
    for (int i = 0; i < e.classes; ++i) row[i] += p[i];
  }
}

// Adds the router's choices, and hits of the super-class.
void count_routing(Evaluation& e, const Tape& tape, const Model::Output& output,
                   const std::vector<int>& super_classes, const int* labels) {
  e.routing.add(tape, output);
  if (super_classes.empty()) return;
  const Tensor logits = tape.value(output.router_logits);
  for (int64_t i = 0; i < logits.dim(0); ++i) {
    e.router_accuracy += rank_of(logits.data + i * logits.dim(1), static_cast<int>(logits.dim(1)),
                                 super_classes[labels[i]]) == 0;
  }
}

}  // namespace

Evaluation evaluate(const Model& model, Inference& inference, const EvaluationImages& images,
                    Confusion confusion) {
  const VitConfig& vit = model.config().vit;
  const MoeConfig& moe = model.config().moe;
  const auto start = std::chrono::steady_clock::now();
  Evaluation e;
  e.n = images.size();
  if (e.n == 0) throw InputError("there is no image to evaluate on");
  e.hits.reserve(static_cast<size_t>(e.n));
  e.classes = vit.classes;
  if (confusion != Confusion::none) e.confusion.assign(static_cast<size_t>(vit.classes) * vit.classes, 0);
  e.routing = ModelRouting(model.config());

  inference.visit(images,
                  [&](InferenceWorker& worker, const Model::Output& output, const int* labels, int count) {
                    const Tensor logits = worker.tape.value(output.logits);
                    double* p = worker.arena.allocate<double>(e.classes);
                    for (int i = 0; i < count; ++i)
                      count_image(e, confusion, logits.data + i * e.classes, labels[i], p);
                    if (output.routing) count_routing(e, worker.tape, output, moe.super_classes, labels);
                  });

  const auto n = static_cast<double>(e.n);
  for (double* sum : {&e.top1, &e.top5, &e.loss, &e.router_accuracy}) *sum /= n;
  e.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return e;
}

Evaluation evaluate(const Model& model, const EvaluationImages& images, int threads, Confusion confusion) {
  Inference inference(model, threads);
  return evaluate(model, inference, images, confusion);
}

}  // namespace vmoe
