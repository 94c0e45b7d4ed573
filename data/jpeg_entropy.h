#pragma once
// Walks the Huffman-coded data of a JPEG without computing a pixel, so that a file that ends early, runs over
// or uses codes it never defined is refused before a decoder sees it. Source: ITU-T T.81, annexes F
// (sequential) and G (progressive).

#include <array>
#include <cstdint>

#include "data/byte_reader.h"
#include "data/image.h"

namespace vmoe {

/// One Huffman table, ready for decoding.
struct HuffmanTable {
  bool defined = false;
  std::array<uint16_t, 512> lookup;    // by the next 9 bits: length << 8 | symbol; 0 for longer codes
  std::array<uint32_t, 17> past_last;  // by length: the code after the last one, shifted up to 16 bits
  std::array<int, 17> symbol_offset;   // by length: place in `symbols` minus code
  std::array<uint8_t, 256> symbols;

  /// `counts[i]` codes of i + 1 bits. Throws InputError (at the reader's place) unless they form a prefix
  /// code of at most 255 symbols, each of which the decoder can take.
  void define(const std::array<uint8_t, 16>& counts, Bytes symbols_in_order, const ByteReader& reader);
};

struct JpegComponent {
  int id, h, v, quantisation;  // sampling factors, index of the quantisation table
  int blocks_x, blocks_y;      // 8 x 8 blocks that hold pixels of the image
  int stride;                  // blocks of a row with the padding of whole MCUs
  int padded_rows;             // rows of blocks with that padding
  int dc_table, ac_table;      // of the current scan
  uint64_t* nonzero;           // progressive: by block, which coefficients (in zigzag order) are not zero
  std::array<int8_t, 64> bits_left;  // by coefficient: its point transform so far, -1 before its first scan
};

struct JpegFrame {
  int width = 0, height = 0;
  bool progressive = false;
  int component_count = 0;
  std::array<JpegComponent, 4> components;
  int mcus_x = 0, mcus_y = 0;  // minimum coded units of an interleaved scan
};

struct JpegScan {
  std::array<int, 4> components;  // indices into the frame's
  int component_count = 0;
  int first = 0, last = 63;       // coefficients, in zigzag order
  int high_bit = 0, low_bit = 0;  // successive approximation: Ah, Al
  int restart_interval = 0;       // MCUs between restart markers; 0: none
};

/// Walks one scan's data from the reader's place to the marker after it. Throws InputError where the data
/// ends before the image is complete, a code is undefined, or a restart marker is missing.
void check_jpeg_scan(ByteReader& reader, JpegFrame& frame, const JpegScan& scan,
                     const std::array<HuffmanTable, 4>& dc, const std::array<HuffmanTable, 4>& ac);

}  // namespace vmoe
