#include "data/jpeg_entropy.h"

namespace vmoe {

void HuffmanTable::define(const std::array<uint8_t, 16>& counts, Bytes symbols_in_order,
                          const ByteReader& reader) {
  // 256 symbols cannot occur in an 8-bit JPEG, and stb_image takes number 255 for "not in the fast table".
  if (symbols_in_order.size() > 255) reader.fail("a Huffman table has more than 255 symbols");
  lookup.fill(0);
  uint32_t code = 0;
  int place = 0;
  for (int length = 1; length <= 16; ++length) {
    symbol_offset[length] = place - static_cast<int>(code);
    for (int i = 0; i < counts[length - 1]; ++i, ++code, ++place) {
      if (code >= 1u << length) reader.fail("the code lengths of a Huffman table do not form a prefix code");
      symbols[place] = symbols_in_order[place];
      if (length > 9) continue;
      const uint32_t first = code << (9 - length), copies = 1u << (9 - length);
      for (uint32_t j = 0; j < copies; ++j) {
        lookup[first + j] = static_cast<uint16_t>(length << 8 | symbols[place]);
      }
    }
    past_last[length] = code << (16 - length);
    code <<= 1;
  }
  defined = true;
}

namespace {

/// The bits of one scan: removes byte stuffing, stops at a marker.
class BitReader {
 public:
  explicit BitReader(ByteReader& reader) : reader_(reader), bytes_(reader.bytes()) {
    position_ = reader.position();
  }

  int symbol(const HuffmanTable& table) {
    if (left_ < 16) fill();
    const uint16_t entry = table.lookup[buffer_ >> 55];
    if (entry != 0) {
      skip(entry >> 8);
      return entry & 255;
    }
    const uint32_t top = static_cast<uint32_t>(buffer_ >> 48);
    for (int length = 10; length <= 16; ++length) {
      if (top >= table.past_last[length]) continue;
      const int code = static_cast<int>(top >> (16 - length));
      skip(length);
      return table.symbols[code + table.symbol_offset[length]];
    }
    if (left_ < 16) ends_early();
    bad_file(reader_.name(), position_,
             "the compressed data uses a Huffman code that the file does not define");
  }

  /// The next 0 .. 16 bits as a number.
  uint32_t bits(int count) {
    if (count == 0) return 0;
    if (left_ < count) fill();
    const uint32_t value = static_cast<uint32_t>(buffer_ >> (64 - count));
    skip(count);
    return value;
  }

  /// Drops the rest of the last byte and steps over restart marker `number` (0 .. 7).
  void restart(int number) {
    fill();
    if (left_ >= 8 || !at_marker() || bytes_[marker_ + 1] != 0xD0 + number) {
      bad_file(reader_.name(), position_, "restart marker " + std::to_string(number) + " is missing");
    }
    position_ = marker_ + 2;
    buffer_ = 0;
    left_ = 0;
  }

  /// Puts the reader on the marker after the data. Fill bytes FF may stand before it, or bytes too many,
  /// which are skipped. Among these the decoder takes the first FF for the start of a marker and what follows
  /// for its code, so that any other FF is refused.
  void finish() {
    forget_whole_bytes();
    const size_t end = position_;
    while (position_ < bytes_.size() && bytes_[position_] != 0xFF) ++position_;
    const bool found = at_marker();
    if (position_ >= bytes_.size() || marker_ + 1 >= bytes_.size()) ends_early();
    if (!found || (position_ > end && marker_ > position_)) {
      bad_file(reader_.name(), position_,
               "byte 0xFF does not begin a marker, as it should after the end of the compressed data");
    }
    reader_.seek(marker_);
  }

  [[noreturn]] void ends_early() const {
    bad_file(reader_.name(), position_,
             "the JPEG ends early: its compressed data stops before the image is complete");
  }
  [[noreturn]] void fail(const std::string& what) const { bad_file(reader_.name(), position_, what); }

 private:
  void skip(int count) {
    if (count > left_) ends_early();
    buffer_ <<= count;
    left_ -= count;
  }

  void fill() {
    while (left_ <= 56 && position_ < bytes_.size()) {
      const uint8_t byte = bytes_[position_];
      if (byte == 0xFF) {
        if (position_ + 1 >= bytes_.size() || bytes_[position_ + 1] != 0) return;
        ++position_;
      }
      ++position_;
      buffer_ |= uint64_t{byte} << (56 - left_);
      left_ += 8;
    }
  }

  /// Goes back over the whole bytes that were read ahead; the rest of the last one used is lost.
  void forget_whole_bytes() {
    for (; left_ >= 8; left_ -= 8) {
      --position_;
      if (bytes_[position_] == 0 && bytes_[position_ - 1] == 0xFF) --position_;  // stuffed
    }
  }

  /// True on a marker, whose place is then `marker_`; fill bytes FF before it are passed over.
  bool at_marker() {
    if (position_ >= bytes_.size() || bytes_[position_] != 0xFF) return false;
    size_t code = position_ + 1;
    while (code < bytes_.size() && bytes_[code] == 0xFF) ++code;
    marker_ = code - 1;
    return code < bytes_.size() && bytes_[code] != 0;
  }

  ByteReader& reader_;
  Bytes bytes_;
  size_t position_;
  size_t marker_ = 0;
  uint64_t buffer_ = 0;  // the next bits, from the top
  int left_ = 0;         // how many of them
};

constexpr int kLargest = 32767;  // what a decoder's 16-bit coefficients hold

/// What one pass over the blocks of a scan needs.
class ScanWalk {
 public:
  ScanWalk(ByteReader& reader, JpegFrame& frame, const JpegScan& scan, const std::array<HuffmanTable, 4>& dc,
           const std::array<HuffmanTable, 4>& ac)
      : bits_(reader), frame_(frame), scan_(scan), dc_(dc), ac_(ac) {}

  void run() {
    const bool interleaved = scan_.component_count > 1;
    const JpegComponent& only = frame_.components[scan_.components[0]];
    const int64_t columns = interleaved ? frame_.mcus_x : only.blocks_x;
    const int64_t units = columns * (interleaved ? frame_.mcus_y : only.blocks_y);
    int64_t until_restart = scan_.restart_interval;
    int restarts = 0;
    for (int64_t unit = 0; unit < units; ++unit) {
      if (scan_.restart_interval > 0 && until_restart == 0) {
        bits_.restart(restarts++ & 7);
        until_restart = scan_.restart_interval;
        predicted_.fill(0);
        blocks_to_skip_ = 0;
      }
      --until_restart;
      if (interleaved) {
        interleaved_unit();
      } else {
        block(scan_.components[0], static_cast<int>(unit % columns), static_cast<int>(unit / columns));
      }
    }
    bits_.finish();
  }

 private:
  // Interleaved scans never hold AC coefficients of a progressive JPEG, so the place of a block does not
  // matter.
  void interleaved_unit() {
    for (int i = 0; i < scan_.component_count; ++i) {
      const JpegComponent& component = frame_.components[scan_.components[i]];
      for (int j = 0; j < component.h * component.v; ++j) block(scan_.components[i], 0, 0);
    }
  }

  void block(int index, int x, int y) {
    JpegComponent& component = frame_.components[index];
    if (!frame_.progressive) {
      dc_first(index, component);
      ac_sequential(component);
    } else if (scan_.first == 0) {
      if (scan_.high_bit == 0) {
        dc_first(index, component);
      } else {
        bits_.bits(1);
      }
    } else {
      uint64_t& nonzero = component.nonzero[int64_t{y} * component.stride + x];
      if (scan_.high_bit == 0) {
        ac_first(component, nonzero);
      } else {
        ac_refine(component, nonzero);
      }
    }
  }

  void dc_first(int index, const JpegComponent& component) {
    const int size = bits_.symbol(dc_[component.dc_table]);
    if (size > 15)
      bits_.fail("a DC coefficient claims " + std::to_string(size) + " bits; at most 15 are possible");
    const int value = static_cast<int>(bits_.bits(size));
    predicted_[index] += size > 0 && value < 1 << (size - 1) ? value - (1 << size) + 1 : value;
    if (predicted_[index] > kLargest >> scan_.low_bit || predicted_[index] < -(kLargest >> scan_.low_bit)) {
      bits_.fail("a DC coefficient is out of range");
    }
  }

  void ac_sequential(const JpegComponent& component) {
    for (int k = 1; k < 64; ++k) {
      const int symbol = bits_.symbol(ac_[component.ac_table]), run = symbol >> 4, size = symbol & 15;
      if (size == 0 && run < 15) return;
      k += run;
      if (k > 63 && size > 0) run_over();
      bits_.bits(size);
    }
  }

  void ac_first(const JpegComponent& component, uint64_t& nonzero) {
    if (blocks_to_skip_ > 0) {
      --blocks_to_skip_;
      return;
    }
    for (int k = scan_.first; k <= scan_.last; ++k) {
      const int symbol = bits_.symbol(ac_[component.ac_table]), run = symbol >> 4, size = symbol & 15;
      if (size == 0 && run < 15) {
        blocks_to_skip_ = (1 << run) - 1 + static_cast<int>(bits_.bits(run));
        return;
      }
      k += run;
      if (size == 0) continue;
      if (k > scan_.last) run_over();
      if (size + scan_.low_bit > 15) bits_.fail("an AC coefficient is out of range");
      bits_.bits(size);
      nonzero |= uint64_t{1} << k;
    }
  }

  void ac_refine(const JpegComponent& component, uint64_t& nonzero) {
    int k = scan_.first;
    while (blocks_to_skip_ == 0 && k <= scan_.last) {
      const int symbol = bits_.symbol(ac_[component.ac_table]), size = symbol & 15;
      int run = symbol >> 4;
      if (size == 0 && run < 15) {
        blocks_to_skip_ = (1 << run) + static_cast<int>(bits_.bits(run));
        break;
      }
      if (size > 1) bits_.fail("a refinement scan adds more than one bit to an AC coefficient");
      if (size == 1) bits_.bits(1);
      k = refine_run(nonzero, k, run);
      if (size == 1 && k <= scan_.last) nonzero |= uint64_t{1} << k;
      ++k;
    }
    if (blocks_to_skip_ > 0) {
      --blocks_to_skip_;
      refine_run(nonzero, k, 64);
    }
  }

  // Reads a correction bit for every coefficient that is not zero, up to the zero after `run` others; its
  // place.
  int refine_run(uint64_t nonzero, int k, int run) {
    for (; k <= scan_.last; ++k) {
      if (nonzero >> k & 1) {
        bits_.bits(1);
      } else if (run-- == 0) {
        break;
      }
    }
    return k;
  }

  [[noreturn]] void run_over() const { bits_.fail("the coefficients of a block run over its end"); }

  BitReader bits_;
  JpegFrame& frame_;
  const JpegScan& scan_;
  const std::array<HuffmanTable, 4>& dc_;
  const std::array<HuffmanTable, 4>& ac_;
  std::array<int, 4> predicted_{};  // DC value of the component's previous block
  int blocks_to_skip_ = 0;          // blocks without further coefficients ("end of band" run)
};

}  // namespace

void check_jpeg_scan(ByteReader& reader, JpegFrame& frame, const JpegScan& scan,
                     const std::array<HuffmanTable, 4>& dc, const std::array<HuffmanTable, 4>& ac) {
  ScanWalk(reader, frame, scan, dc, ac).run();
}

}  // namespace vmoe
