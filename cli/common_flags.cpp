#include "cli/common_flags.h"

#include "moe/routers/table.h"
#include "tensor/kernels/narrow.h"
#include "tensor/kernels/tables.h"
#include "tensor/pin.h"
#include "train/threads.h"

namespace vmoe {

void add_model_flags(Flags& flags, ModelFlags& model, const std::string& default_model,
                     const std::string& default_experts) {
  flags.group("Model", "sizes; by default the preset's, and image size, channels, classes the data's");
  flags.text("model", model.model, "NAME", "preset to start from; vmoe info lists them", default_model);
  for (const auto& [name, size] : {std::pair{"image-size", &model.image_size},
                                   {"patch-size", &model.patch_size},
                                   {"channels", &model.channels},
                                   {"dim", &model.dim},
                                   {"depth", &model.depth},
                                   {"heads", &model.heads},
                                   {"mlp-dim", &model.mlp_dim},
                                   {"classes", &model.classes},
                                   {"conv-layers", &model.conv_layers}}) {
    flags.add(name, *size, at_least(1), "");
  }
  flags.choice("tokenizer", model.tokenizer, {"patch", "conv"}, "");
  flags.choice("pool", model.pool, {"cls", "mean", "seq"}, "");
  flags.choice("positions", model.positions, {"learned", "sincos", "none"}, "");
  flags.choice("activation", model.activation, {"gelu", "gelu_tanh"}, "");
  flags.toggle("fc-norm", model.fc_norm, "");
  flags.add("layer-scale", model.layer_scale, at_least(0), "");
  flags.add("norm-eps", model.norm_eps, above(0), "");
  flags.add("dropout", model.dropout, between(0, 0.99), "");
  flags.add("drop-path", model.drop_path, between(0, 0.99), "");
  add_mixture_flags(flags, model, default_experts);
}

void add_mixture_flags(Flags& flags, ModelFlags& model, const std::string& default_experts) {
  flags.group("Mixture of experts",
              "E MLPs in place of one; the K best for an image, or token, weighted by gates");
  std::vector<std::string> names = {"none"};
  for (const Router& router : routers()) names.push_back(router.name);
  const MoeConfig standard;
  flags.choice("router", model.router, names, "what goes to experts: images, or tokens in each block",
               model.router.value_or(standard.router));
  flags.text("moe-layers", model.moe_layers, "BLOCKS", "last:n, every:n (n-1, 2n-1, ...), or i,j,... from 0",
             "last:2");
  flags.add("experts", model.experts, at_least(1), "", default_experts);
  flags.add("top-k", model.top_k, at_least(1), "", std::to_string(standard.top_k));
  flags.choice("router-pool", model.router_pool, {"mean", "cls"}, "");
  flags.toggle("renormalise", model.renormalise, "");
  flags.toggle("shared-expert", model.shared_expert, "");
  flags.add("balance-weight", model.balance_weight, between(0, 1e6), "", "0.01 end to end");
}

void add_data_flags(Flags& flags, std::string& format, std::string& labels) {
  flags.choice("format", format, {"auto", "idx", "cifar10", "cifar100", "folder", "synthetic"},
               "of the data");
  flags.choice("labels", labels, {"fine", "coarse"},
               "which labels are the classes, where there are two kinds");
}

void Machine::prepare() {
  use_kernels(isa);
  allow_pinning(pin);
  threads = threads_or_default(threads);
}

void Machine::prepare(Streams& streams) {
  const std::string warning = threads_warning(threads);
  if (!warning.empty()) warn(streams.err, warning);
  prepare();
}

void add_machine_flags(Flags& flags, Machine& machine) {
  flags.group("Machine", "no result depends on the number of threads; --pin ties each to a processor");
  flags.add("threads", machine.threads, between(1, 1024), "", "one per core");
  std::vector<std::string> names = {"auto"};
  for (const Kernels* table : built_kernels()) names.push_back(table->name);  // `prepare` says if it runs
  flags.choice("isa", machine.isa, names, "");
  flags.toggle("pin", machine.pin, "");
}

void add_precision_flag(Flags& flags, std::string& precision) {
  flags.choice("precision", precision, {"fp32", "int8", "bf16", "auto"},
               "of products with weights; auto: the fastest here");
}

void add_training_precision_flag(Flags& flags, std::string& precision) {
  flags.choice("precision", precision, {"fp32", "bf16", "auto"},
               "of products with weights; auto: bf16 where it is faster");
}

void add_json_flag(Flags& flags, bool& json) {
  flags.toggle("json", json, "one JSON object on standard output, all else on standard error");
}

}  // namespace vmoe
