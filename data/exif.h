#pragma once
// The one thing we want to know from EXIF data: how the camera was held.
// Source: CIPA DC-008 (Exif 2.32), tag 0x0112 in the first image file directory of a TIFF block.

#include "data/byte_reader.h"

namespace vmoe {

/// Orientation 1 .. 8 from a TIFF block (what follows "Exif\0\0" in a JPEG, the body of a PNG's eXIf chunk).
/// 1 (upright) if the block is malformed or does not say: other programs show such pictures, too.
int exif_orientation(Bytes tiff);

}  // namespace vmoe
