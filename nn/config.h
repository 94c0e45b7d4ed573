#pragma once
// The shape of a vision transformer: everything that decides its parameters and its arithmetic.

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "autograd/activation.h"

namespace vmoe {

/// How images become tokens: patches and a linear map, or CCT's convolutions.
enum class TokenizerKind { patch, conv };
/// How tokens become one vector: the class token, the mean over tokens, or CCT's attention.
enum class Pool { cls, mean, seq };
/// What tells tokens where they are.
enum class Positions { learned, sincos, none };

/// A vision transformer. As JSON it is an object with exactly these keys, enumerations by name.
struct VitConfig {
  int image_size = 32;  // side in pixels
  int channels = 3;
  TokenizerKind tokenizer = TokenizerKind::patch;
  int patch_size = 4;   // side in pixels, divides image_size; read by tokenizer "patch" only
  int conv_layers = 2;  // read by tokenizer "conv" only
  int dim = 192;        // width D of a token; a multiple of heads
  int depth = 9;        // blocks
  int heads = 3;
  int mlp_dim = 768;
  Pool pool = Pool::mean;
  Positions positions = Positions::learned;
  double layer_scale = 0;  // start value of LayerScale, 0: none
  bool fc_norm = false;    // the final norm acts on the pooled vector (fc_norm.*), not on the tokens (norm.*)
  double norm_eps = 1e-6;
  Activation activation = Activation::gelu;
  int classes = 10;
  double dropout = 0;    // in [0, 1): after the embedding, in and after every MLP, after every attention
  double drop_path = 0;  // in [0, 1): the last block's rate

  /// Tokens on a side of the image.
  int grid() const;
  bool has_class_token() const { return pool == Pool::cls; }
  /// All tokens T, the class token included.
  int64_t tokens() const { return int64_t{grid()} * grid() + has_class_token(); }
  /// Output channels of layer i of tokenizer "conv": 64, and D for the last one.
  int conv_channels(int i) const { return i + 1 == conv_layers ? dim : 64; }

  bool operator==(const VitConfig&) const = default;
};

const char* name_of(TokenizerKind kind);
const char* name_of(Pool pool);
const char* name_of(Positions positions);
const char* name_of(Activation activation);

/// What is wrong with a configuration, as one phrase with key, value and what would be right; empty if all is
/// well: every size within its range, heads divides dim, patch_size divides image_size, and neither the
/// parameters nor the activations of one image exceed 2^40 numbers.
std::string problem_with(const VitConfig& config);

/// Throws UsageError "WHERE: PROBLEM" (flags and recipes).
void validate(const VitConfig& config, const std::string& where);

nlohmann::ordered_json to_json(const VitConfig& config);

/// Reads and checks a configuration from a file. Throws InputError "WHERE: ..." for an unknown, missing or
/// mistyped key and for everything `problem_with` finds.
VitConfig vit_config_from_json(const nlohmann::ordered_json& json, const std::string& where);

}  // namespace vmoe
