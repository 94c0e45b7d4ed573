#include "moe/routers/token.h"

#include "moe/routers/image.h"

namespace vmoe {

// What is decided differs from the router of images, how it is decided does not.
const Routing& route_tokens(Tape& tape, Var x, Var weight, const RouterSettings& settings) {
  return route_images(tape, x, weight, settings);
}

}  // namespace vmoe
