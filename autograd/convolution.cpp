// Sliding windows: with a linear layer behind them, patch embedding and convolution.

#include <algorithm>
#include <cstring>
#include <limits>

#include "autograd/ops.h"

namespace vmoe {

namespace {

// Where pixels lie: planes [C, height, width] or tokens [height*width, C].
struct Layout {
  int64_t channels, channel_stride, pixel_stride;
};

void check(const char* name, const SlidingWindow& w) {
  if (w.size >= 1 && w.stride >= 1 && w.padding >= 0 && w.height + 2 * w.padding >= w.size &&
      w.width + 2 * w.padding >= w.size) {
    return;
  }
  throw ShapeError(std::string(name) + ": a window of " + std::to_string(w.size) + " pixels does not fit " +
                   std::to_string(w.height) + " x " + std::to_string(w.width) + " with padding " +
                   std::to_string(w.padding));
}

// Calls visit(column, pixel, inside) for every pixel of the windows of one image: channel c of the pixel
// stands at pixel + c * channel_stride, and in the columns (window, (c, ky, kx)) at column + c * size * size.
template <class Visit>
void for_windows(const SlidingWindow& w, const Layout& layout, const Visit& visit) {
  const int64_t columns = layout.channels * w.size * w.size;
  int64_t window = 0;
  for (int oy = 0; oy < w.out_height(); ++oy) {
    for (int ox = 0; ox < w.out_width(); ++ox, ++window) {
      for (int ky = 0; ky < w.size; ++ky) {
        const int y = oy * w.stride - w.padding + ky;
        for (int kx = 0; kx < w.size; ++kx) {
          const int x = ox * w.stride - w.padding + kx;
          const bool inside = y >= 0 && y < w.height && x >= 0 && x < w.width;
          visit(window * columns + ky * w.size + kx, (int64_t{y} * w.width + x) * layout.pixel_stride,
                inside);
        }
      }
    }
  }
}

// A few numbers, four at a time: a call of memcpy would take longer than they do.
inline void copy_row(const real* from, int size, real* to) {
  int i = 0;
  for (; i + 4 <= size; i += 4) std::memcpy(to + i, from + i, 4 * sizeof(real));
  for (; i < size; ++i) to[i] = from[i];
}

// The same copy for windows that lie inside the image and whose rows are contiguous: `size` pixels at a time.
void copy_patches(const SlidingWindow& w, const Layout& layout, const real* image, real* to) {
  for (int oy = 0; oy < w.out_height(); ++oy) {
    for (int ox = 0; ox < w.out_width(); ++ox) {
      const real* corner = image + int64_t{oy} * w.stride * w.width + int64_t{ox} * w.stride;
      for (int64_t c = 0; c < layout.channels; ++c) {
        for (int ky = 0; ky < w.size; ++ky, to += w.size)
          copy_row(corner + c * layout.channel_stride + int64_t{ky} * w.width, w.size, to);
      }
    }
  }
}

// y[window, (c, ky, kx)] = x at that pixel, 0 outside        dx += dy of every window that saw the pixel
Var unfold(Tape& tape, Var x, const SlidingWindow& w, const Layout& layout) {
  const Tensor X = tape.value(x);
  const int64_t batch = X.dim(0), image = X.count() / (batch ? batch : 1);
  const Tensor y =
      tape.allocate({batch, int64_t{w.out_height()} * w.out_width(), layout.channels * w.size * w.size});
  const int64_t windows = y.dim(1) * y.dim(2), area = int64_t{w.size} * w.size;
  for (int64_t b = 0; b < batch; ++b) {
    if (w.padding == 0 && layout.pixel_stride == 1) {
      copy_patches(w, layout, X.data + b * image, y.data + b * windows);
      continue;
    }
    for_windows(w, layout, [&](int64_t column, int64_t pixel, bool inside) {
      const real* from = X.data + b * image + pixel;
      real* to = y.data + b * windows + column;
      for (int64_t c = 0; c < layout.channels; ++c)
        to[c * area] = inside ? from[c * layout.channel_stride] : real{0};
    });
  }
  return tape.record(y, {x}, [=](Tape& tape, Tensor dy) {
    const Tensor dx = tape.grad(x);
    for (int64_t b = 0; b < batch; ++b) {
      for_windows(w, layout, [&](int64_t column, int64_t pixel, bool inside) {
        if (!inside) return;
        const real* from = dy.data + b * windows + column;
        real* to = dx.data + b * image + pixel;
        for (int64_t c = 0; c < layout.channels; ++c) to[c * layout.channel_stride] += from[c * area];
      });
    }
  });
}

}  // namespace

Var unfold_planes(Tape& tape, Var x, SlidingWindow window) {
  const Tensor X = tape.value(x);
  require_shape("unfold_planes", X.shape, {X.dim(0), X.dim(1), window.height, window.width});
  check("unfold_planes", window);
  return unfold(tape, x, window, {X.dim(1), int64_t{window.height} * window.width, 1});
}

Var unfold_tokens(Tape& tape, Var x, SlidingWindow window) {
  const Tensor X = tape.value(x);
  require_shape("unfold_tokens", X.shape, {X.dim(0), int64_t{window.height} * window.width, X.dim(2)});
  check("unfold_tokens", window);
  return unfold(tape, x, window, {X.dim(2), 1, X.dim(2)});
}

// y[window, c] = max of x over the window's pixels        dx at the first largest pixel += dy
Var max_pool(Tape& tape, Var x, SlidingWindow w) {
  const Tensor X = tape.value(x);
  const int64_t batch = X.dim(0), pixels = int64_t{w.height} * w.width, channels = X.dim(2);
  require_shape("max_pool", X.shape, {batch, pixels, channels});
  check("max_pool", w);
  if (2 * w.padding > w.size) {
    throw ShapeError("max_pool: padding above half the window leaves windows without a pixel");
  }
  const int64_t windows = int64_t{w.out_height()} * w.out_width();
  const Tensor y = tape.allocate({batch, windows, channels});
  int32_t* const source = tape.arena().allocate<int32_t>(y.count());  // the pixel where each maximum stands
  // Starting below every number, the first pixel inside the window always wins, whatever its value.
  std::fill(y.begin(), y.end(), -std::numeric_limits<real>::infinity());
  std::fill(source, source + y.count(), -1);
  for (int64_t b = 0; b < batch; ++b) {
    for_windows(w, {1, 1, 1}, [&](int64_t column, int64_t pixel, bool inside) {
      if (!inside) return;
      const int64_t row = (b * windows + column / (w.size * w.size)) * channels;
      const real* __restrict from = X.data + (b * pixels + pixel) * channels;
      real* __restrict most = y.data + row;
      int32_t* __restrict place = source + row;
      for (int64_t c = 0; c < channels; ++c) {
        const bool larger = (from[c] > most[c]) | (place[c] < 0) | (from[c] != from[c]);  // no branches
        place[c] = larger ? static_cast<int32_t>(pixel) : place[c];
        most[c] = larger ? from[c] : most[c];
      }
    });
  }
  return tape.record(y, {x}, [=](Tape& tape, Tensor dy) {
    const Tensor dx = tape.grad(x);
    for (int64_t row = 0; row < batch * windows; ++row) {
      real* image = dx.data + row / windows * pixels * channels;
      for (int64_t c = 0; c < channels; ++c)
        image[source[row * channels + c] * channels + c] += dy.data[row * channels + c];
    }
  });
}

}  // namespace vmoe
