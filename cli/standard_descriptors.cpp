#include "cli/standard_descriptors.h"

#include <fcntl.h>
#include <unistd.h>

namespace vmoe {

void open_standard_descriptors() {
  for (int descriptor = STDIN_FILENO; descriptor <= STDERR_FILENO; ++descriptor) {
    if (fcntl(descriptor, F_GETFD) == -1) (void)!open("/dev/null", O_RDWR);  // takes the lowest that is free
  }
}

}  // namespace vmoe
