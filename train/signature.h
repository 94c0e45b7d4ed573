#pragma once

#include <string>

namespace vmoe {

/// Hash of the weights after a tiny fixed training run (experts, dropout and drop path included) on the plain
/// kernels: the same on every compiler, optimisation level and x86-64 machine. A change that moves it changes
/// what is computed; every other change is a refactoring and proves it. 16 hexadecimal digits. Not for use
/// beside other threads of this program: it switches the kernels while it runs.
std::string signature();

}  // namespace vmoe
