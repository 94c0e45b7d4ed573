#pragma once
// Checks on the source text itself: rules that the compiler does not know. Each is a function from text to
// complaints, so that it can be fed a planted violation.

#include <string>
#include <vector>

namespace vmoe::checks {

/// A complaint reads "FILE:LINE: what is wrong".
using Complaints = std::vector<std::string>;

/// The source without comments; string and character literals become empty unless `keep_strings`. Lines stay.
std::string strip(const std::string& source, bool keep_strings = false);

/// May a file of folder `from` include one of folder `to`? Includes run only down the list tensor, autograd,
/// nn, moe, data, train, then cli; data sees only tensor; nothing sees cli.
bool may_include(const std::string& from, const std::string& to);
/// Includes of `source` (its path from the repository's root is `path`, in a library folder or under tests/)
/// that run up the list, or that are not written from the root.
Complaints check_includes(const std::string& path, const std::string& source);

/// Calls of the C library's elementary functions, whose last bits differ from machine to machine. Names
/// qualified with math:: are ours (tensor/math.h); sqrt, fma, floor and the like are exact everywhere.
Complaints check_elementary_functions(const std::string& path, const std::string& source);
/// The fast kernels have their own elementary functions, and tensor/math.cpp is where ours are made.
bool is_exempt_from_elementary_check(const std::string& path);

/// Draws from a generator called `random` that share an expression with an earlier draw: compilers evaluate
/// arguments and operands in orders of their own, so the numbers would differ from one to the next.
Complaints check_order_of_draws(const std::string& path, const std::string& source);

/// Loops over items() of a value that a function returned: the value is gone before the first turn.
Complaints check_loops_over_items(const std::string& path, const std::string& source);

/// The ops that a header declares: lines that begin "Var NAME(Tape&".
std::vector<std::string> declared_ops(const std::string& header);
/// Which of `ops` has no row in the op table, i.e. does not occur as a string literal in `table`.
std::vector<std::string> ops_without_row(const std::vector<std::string>& ops, const std::string& table);

}  // namespace vmoe::checks
