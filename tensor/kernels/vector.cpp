// The fast kernels of one instruction set: VMOE_ISA names it, the compiler's flags say which it is.
#ifndef VMOE_F64

#include "tensor/kernels/isa_names.h"
#include "tensor/kernels/tables.h"
#include "tensor/kernels/vector_gemm.h"
#include "tensor/kernels/vector_peak.h"
#include "tensor/kernels/vector_rows.h"
#include "tensor/kernels/vector_type.h"

namespace vmoe {

const Kernels VMOE_TABLE(kKernels_, VMOE_ISA) = {
    .name = VMOE_NAME(VMOE_ISA),
    .vector_bytes = kVectorBytes,
    .panel = kPanel,
    .pack = pack,
    .gemm = gemm,
    .add = add,
    .axpy = axpy,
    .scale = scale,
    .mul = mul,
    .add_rows = add_rows,
    .dot = dot,
    .sum_of_squares = sum_of_squares,
    .layer_norm = layer_norm,
    .layer_norm_backward = layer_norm_backward,
    .relu = relu,
    .relu_backward = relu_backward,
    .gelu = gelu,
    .gelu_backward = gelu_backward,
    .gelu_tanh = gelu_tanh,
    .gelu_tanh_backward = gelu_tanh_backward,
    .exponential = exponential,
    .hyperbolic_tangent = hyperbolic_tangent,
    .normal_distribution = normal_distribution,
    .softmax = softmax,
    .softmax_backward = softmax_backward,
    .adamw = adamw,
    .multiply_adds = multiply_adds,
};

}  // namespace vmoe

#endif
