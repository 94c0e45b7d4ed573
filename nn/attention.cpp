#include "nn/attention.h"

#include "autograd/ops.h"

namespace vmoe {

Attention::Attention(ParameterStore& store, const std::string& name, int64_t dim, int heads)
    : qkv(store, name + ".qkv", dim, 3 * dim), proj(store, name + ".proj", dim, dim), heads(heads) {}

Var Attention::forward(Pass& pass, Var x) const {
  return proj.forward(pass, attention(pass.tape, qkv.forward(pass, x), heads));
}

Var Attention::branch(Pass& pass, NormInputs norm, Var x) const {
  return attention_branch(pass.tape, x, norm, qkv.inputs(pass), heads, proj.inputs(pass));
}

}  // namespace vmoe
