#pragma once
// zlib's inflate with memory from an ImageScratch (or from malloc where there is none).

#include <zlib.h>

#include "data/image.h"

namespace vmoe {

/// A z_stream that ends itself. `window_bits`: 15 for zlib data, 15 + 16 for gzip.
class Inflater {
 public:
  explicit Inflater(int window_bits, ImageScratch* scratch = nullptr);
  ~Inflater() { inflateEnd(&stream_); }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;

  z_stream& stream() { return stream_; }

 private:
  z_stream stream_{};
};

}  // namespace vmoe
