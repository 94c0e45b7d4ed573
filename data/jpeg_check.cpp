#include "data/jpeg_check.h"

#include <algorithm>
#include <cstdio>
#include <cstring>

#include "data/exif.h"
#include "data/jpeg_entropy.h"

namespace vmoe {

namespace {

constexpr int kTEM = 0x01, kSOF0 = 0xC0, kSOF2 = 0xC2, kDHT = 0xC4, kRST0 = 0xD0, kRST7 = 0xD7, kSOI = 0xD8,
              kEOI = 0xD9, kSOS = 0xDA, kDQT = 0xDB, kDNL = 0xDC, kDRI = 0xDD, kAPP0 = 0xE0, kAPP1 = 0xE1,
              kAPP15 = 0xEF, kCOM = 0xFE;
constexpr int64_t kMaxScanPixels = int64_t{1} << 31;
constexpr size_t kDecoderState = 64 << 10;  // stb_image's tables, twice

std::string hex(int value) {
  char text[8];
  std::snprintf(text, sizeof text, "0x%02X", value);
  return text;
}

bool starts_with(Bytes bytes, std::string_view text) {
  return bytes.size() >= text.size() && std::memcmp(bytes.data(), text.data(), text.size()) == 0;
}

int divide_up(int64_t a, int64_t b) {
  return static_cast<int>((a + b - 1) / b);
}

class JpegWalk {
 public:
  JpegWalk(Bytes bytes, std::string_view name, ImageScratch* scratch)
      : reader_(bytes, name), scratch_(scratch) {}

  ImageHeader read_header() {
    if (reader_.be16("the start marker") != (0xFF00 | kSOI)) reader_.fail("not a JPEG");
    while (frame_.component_count == 0) {
      const int code = marker();
      if (code == kEOI || code == kSOS) reader_.fail("no frame header comes before marker " + hex(code));
      segment(code);
    }
    return header();
  }

  ImageHeader check() {
    read_header();
    prepare_components();
    for (int code = marker(); code != kEOI; code = marker()) {
      if (code == kSOS) {
        scan();
      } else {
        segment(code);
      }
    }
    require_complete();
    check_trailer();
    return header();
  }

 private:
  int marker() {
    if (reader_.left() == 0) reader_.fail("the JPEG ends early: its end marker is missing");
    if (reader_.u8("a marker") != 0xFF) reader_.fail("a marker (0xFF) should be here");
    int code = 0xFF;
    while (code == 0xFF) code = reader_.u8("a marker");
    return code;
  }

  // Everything between markers but scans.
  void segment(int code) {
    const size_t start = reader_.position();
    if (code == kTEM || (code >= kRST0 && code <= kSOI)) {
      bad_file(reader_.name(), start - 1,
               (code >= kRST0 && code <= kRST7 ? "restart marker " : "marker ") + hex(code) +
                   " does not belong here, where a segment should be");
    }
    const int length = reader_.be16("a segment's length");
    if (length < 2)
      bad_file(reader_.name(), start, "segment length " + std::to_string(length) + " is below 2");
    ByteReader body(reader_.bytes().first(start + 2 + reader_.take(length - 2, "a segment").size()),
                    reader_.name());
    body.seek(start + 2);
    if (code >= kSOF0 && code <= kSOF2) {
      frame_header(body, code);
    } else if (code == kDHT) {
      while (body.left() > 0) huffman_table(body);
    } else if (code == kDQT) {
      while (body.left() > 0) quantisation_table(body);
    } else if (code == kDRI) {
      restart_interval_ = body.be16("the restart interval");
    } else if (code == kDNL) {
      if (body.be16("the number of lines") != frame_.height) body.fail("the number of lines changes");
    } else if (code == kAPP1) {
      const Bytes data = body.take(body.left(), "EXIF data");
      constexpr std::string_view kExif("Exif\0\0", 6);
      if (starts_with(data, kExif)) orientation_ = exif_orientation(data.subspan(kExif.size()));
    } else if ((code >= kAPP0 && code <= kAPP15) || code == kCOM) {
      body.take(body.left(), "a comment");
    } else {
      bad_file(reader_.name(), start - 1,
               "JPEG marker " + hex(code) + " is not supported (baseline and progressive Huffman files are)");
    }
    if (body.left() > 0) body.fail("segment " + hex(code) + " is longer than what it holds");
  }

  void frame_header(ByteReader& body, int code) {
    if (frame_.component_count > 0) body.fail("a second frame header");
    if (const int depth = body.u8("the frame header"); depth != 8) {
      body.fail(std::to_string(depth) + " bits a sample; only 8 are supported");
    }
    frame_.progressive = code == kSOF2;
    frame_.height = body.be16("the frame header");
    frame_.width = body.be16("the frame header");
    if (const std::string wrong = size_problem(frame_.width, frame_.height); !wrong.empty()) body.fail(wrong);
    const int count = body.u8("the frame header");
    if (count != 1 && count != 3 && count != 4)
      body.fail(std::to_string(count) + " components; 1, 3 or 4 are possible");
    for (int i = 0; i < count; ++i) frame_.components[i] = component(body, i);
    frame_.component_count = count;
    place_components(body);
  }

  JpegComponent component(ByteReader& body, int count_before) {
    JpegComponent c{};
    c.id = body.u8("a component");
    for (int i = 0; i < count_before; ++i) {
      if (frame_.components[i].id == c.id) body.fail("two components with the same number");
    }
    const int sampling = body.u8("a component");
    c.h = sampling >> 4;
    c.v = sampling & 15;
    if (c.h < 1 || c.h > 4 || c.v < 1 || c.v > 4) body.fail("sampling factors must be 1 to 4");
    c.quantisation = body.u8("a component");
    if (c.quantisation > 3)
      body.fail("quantisation table " + std::to_string(c.quantisation) + "; 0 to 3 are possible");
    c.bits_left.fill(-1);
    return c;
  }

  void place_components(const ByteReader& body) {
    int h_max = 1, v_max = 1;
    for (int i = 0; i < frame_.component_count; ++i) {
      h_max = std::max(h_max, frame_.components[i].h);
      v_max = std::max(v_max, frame_.components[i].v);
    }
    frame_.mcus_x = divide_up(frame_.width, 8 * h_max);
    frame_.mcus_y = divide_up(frame_.height, 8 * v_max);
    for (int i = 0; i < frame_.component_count; ++i) {
      JpegComponent& c = frame_.components[i];
      if (h_max % c.h != 0 || v_max % c.v != 0) body.fail("sampling factors must divide the largest one");
      c.blocks_x = divide_up(divide_up(int64_t{frame_.width} * c.h, h_max), 8);
      c.blocks_y = divide_up(divide_up(int64_t{frame_.height} * c.v, v_max), 8);
      c.stride = frame_.mcus_x * c.h;
      c.padded_rows = frame_.mcus_y * c.v;
    }
  }

  void huffman_table(ByteReader& body) {
    const int which = body.u8("a Huffman table");
    if ((which >> 4) > 1 || (which & 15) > 3) body.fail("Huffman table " + hex(which) + " does not exist");
    std::array<uint8_t, 16> counts;
    int total = 0;
    for (uint8_t& count : counts) total += count = body.u8("a Huffman table");
    const Bytes symbols = body.take(total, "a Huffman table");
    ((which >> 4) == 0 ? dc_ : ac_)[which & 15].define(counts, symbols, body);
  }

  void quantisation_table(ByteReader& body) {
    const int which = body.u8("a quantisation table");
    if ((which >> 4) > 1 || (which & 15) > 3)
      body.fail("quantisation table " + hex(which) + " does not exist");
    body.take((which >> 4) == 0 ? 64 : 128, "a quantisation table");
    quantisation_defined_[which & 15] = true;
  }

  // Progressive scans refine coefficients, so it must be known which are not zero.
  void prepare_components() {
    if (!frame_.progressive) return;
    for (int i = 0; i < frame_.component_count; ++i) {
      JpegComponent& c = frame_.components[i];
      const int64_t blocks = int64_t{c.stride} * c.padded_rows;
      c.nonzero = scratch_->allocate<uint64_t>(blocks);
      std::fill_n(c.nonzero, blocks, 0);
    }
  }

  void scan() {
    if (++scans_ * pixels() > kMaxScanPixels) {
      reader_.fail("too many scans: " + std::to_string(scans_) + " of " + std::to_string(pixels()) +
                   " pixels each");
    }
    const JpegScan header = scan_header();
    check_jpeg_scan(reader_, frame_, header, dc_, ac_);
  }

  JpegScan scan_header() {
    JpegScan scan;
    const int length = reader_.be16("a scan header");
    scan.component_count = reader_.u8("a scan header");
    if (scan.component_count < 1 || scan.component_count > frame_.component_count) {
      reader_.fail("a scan of " + std::to_string(scan.component_count) + " components; the frame has " +
                   std::to_string(frame_.component_count));
    }
    if (length != 6 + 2 * scan.component_count) reader_.fail("wrong length of a scan header");
    for (int i = 0; i < scan.component_count; ++i) scan.components[i] = scan_component(scan, i);
    scan.first = reader_.u8("a scan header");
    scan.last = reader_.u8("a scan header");
    const int bits = reader_.u8("a scan header");
    scan.high_bit = bits >> 4;
    scan.low_bit = bits & 15;
    scan.restart_interval = restart_interval_;
    if (frame_.progressive) {
      check_progression(scan);
    } else {
      check_sequence(scan);
    }
    return scan;
  }

  int scan_component(const JpegScan& scan, int count_before) {
    const int id = reader_.u8("a scan header"), tables = reader_.u8("a scan header");
    int index = 0;
    while (index < frame_.component_count && frame_.components[index].id != id) ++index;
    if (index == frame_.component_count)
      reader_.fail("a scan of component " + std::to_string(id) + ", which does not exist");
    for (int i = 0; i < count_before; ++i) {
      if (scan.components[i] == index) reader_.fail("a scan names a component twice");
    }
    JpegComponent& c = frame_.components[index];
    c.dc_table = tables >> 4;
    c.ac_table = tables & 15;
    if (c.dc_table > 3 || c.ac_table > 3) reader_.fail("a scan uses a Huffman table that cannot exist");
    return index;
  }

  void check_sequence(JpegScan& scan) {
    if (scan.first != 0 || scan.high_bit != 0 || scan.low_bit != 0)
      reader_.fail("a sequential scan of part of the coefficients");
    scan.last = 63;
    for (int i = 0; i < scan.component_count; ++i) {
      JpegComponent& c = frame_.components[scan.components[i]];
      require_tables(c, true, true);
      if (!quantisation_defined_[c.quantisation])
        reader_.fail("a scan uses a quantisation table that is not defined");
      if (c.bits_left[0] >= 0) reader_.fail("a component is scanned twice");
      c.bits_left[0] = 0;
    }
  }

  void check_progression(const JpegScan& scan) {
    const bool dc = scan.first == 0;
    if (scan.last > 63 || scan.first > scan.last || (dc && scan.last != 0) ||
        (!dc && scan.component_count != 1) || scan.low_bit > 13 ||
        (scan.high_bit != 0 && scan.high_bit != scan.low_bit + 1)) {
      reader_.fail("a progressive scan of coefficients " + std::to_string(scan.first) + " to " +
                   std::to_string(scan.last) + ", bits " + std::to_string(scan.high_bit) + " to " +
                   std::to_string(scan.low_bit) + ", is not possible");
    }
    for (int i = 0; i < scan.component_count; ++i) {
      JpegComponent& c = frame_.components[scan.components[i]];
      require_tables(c, dc && scan.high_bit == 0, !dc);
      if (!dc && c.bits_left[0] < 0) reader_.fail("AC coefficients come before the DC coefficients");
      for (int k = scan.first; k <= scan.last; ++k) {
        const int expected = c.bits_left[k] < 0 ? 0 : c.bits_left[k];
        if (scan.high_bit != expected || (c.bits_left[k] == 0)) {
          reader_.fail("scan " + std::to_string(scans_) + " repeats or skips bits of coefficient " +
                       std::to_string(k));
        }
        c.bits_left[k] = static_cast<int8_t>(scan.low_bit);
      }
    }
  }

  void require_tables(const JpegComponent& c, bool dc, bool ac) const {
    if ((dc && !dc_[c.dc_table].defined) || (ac && !ac_[c.ac_table].defined)) {
      reader_.fail("a scan uses a Huffman table that is not defined");
    }
  }

  void require_complete() const {
    for (int i = 0; i < frame_.component_count; ++i) {
      const JpegComponent& c = frame_.components[i];
      if (c.bits_left[0] < 0)
        reader_.fail("the JPEG ends early: component " + std::to_string(c.id) + " is missing");
      if (!quantisation_defined_[c.quantisation]) reader_.fail("a quantisation table is not defined");
    }
  }

  // Phones append further pictures (multi-picture files), films and notes of their own.
  void check_trailer() const {
    Bytes rest = reader_.bytes().subspan(reader_.position());
    const Bytes end = rest.size() >= 4 ? rest.last(4) : rest;
    while (!rest.empty() && rest[0] == 0) rest = rest.subspan(1);
    if (rest.empty() || is_jpeg(rest) || starts_with(end, "SEFT")) return;
    if (rest.size() > 1 && starts_with(rest.subspan(1), "ftyp")) return;  // after its length, below 256
    reader_.fail(std::to_string(reader_.left()) + " bytes follow the end of the JPEG");
  }

  ImageHeader header() const {
    ImageHeader header{"JPEG", frame_.width, frame_.height, frame_.component_count == 1, orientation_, 0};
    const int64_t result = pixels() * (header.grey ? 1 : 3) + 64;
    int64_t planes = 0;
    for (int i = 0; i < frame_.component_count; ++i) {
      const JpegComponent& c = frame_.components[i];
      planes += int64_t{c.stride} * c.padded_rows * 64 * (frame_.progressive ? 3 : 1) + frame_.width + 512;
    }
    header.decoder_bytes = kDecoderState + std::max(planes + result, 2 * result);
    return header;
  }

  int64_t pixels() const { return int64_t{frame_.width} * frame_.height; }

  ByteReader reader_;
  ImageScratch* scratch_;  // null when only the header is read
  JpegFrame frame_;
  std::array<HuffmanTable, 4> dc_, ac_;
  std::array<bool, 4> quantisation_defined_{};
  int restart_interval_ = 0;
  int orientation_ = 1;
  int64_t scans_ = 0;
};

}  // namespace

bool is_jpeg(Bytes bytes) {
  return bytes.size() >= 3 && bytes[0] == 0xFF && bytes[1] == kSOI && bytes[2] == 0xFF;
}

ImageHeader read_jpeg_header(Bytes bytes, std::string_view name) {
  return JpegWalk(bytes, name, nullptr).read_header();
}

ImageHeader check_jpeg(Bytes bytes, std::string_view name, ImageScratch& scratch) {
  ImageScratch::Frame frame(scratch);
  return JpegWalk(bytes, name, &scratch).check();
}

}  // namespace vmoe
