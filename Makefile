## vmoe.cpp: vision transformers and vision mixtures of experts on CPUs, from scratch.
##
##   make              build the program, build/vmoe
##   make demo         install what is missing, build, and run the main job on synthetic images
##   make test         install what is missing, build, and run all tests
##   make check-f64    gradient checks in double precision (in build-f64)
##   make asan         all tests under AddressSanitizer and UBSan (in build-asan)
##   make tsan         all tests under ThreadSanitizer, best with CXX=clang++-14 (in build-tsan)
##   make portable     a build with NATIVE=0 (in build-portable), disassembled to see that it runs on every x86-64
##   make format       clang-format every source file; make check-format only looks
##   make clean        remove the build folders
##
##   CXX=clang++-14    another compiler (GCC 12 and Clang 14 or newer)
##   NATIVE=0          not tuned for this machine: the same program wherever it is built. With NATIVE=1, the default,
##                     too, it runs on every machine of its kind and chooses among kernels when it starts
##   BLAS=none         without OpenBLAS, on the program's own matrix product alone
##   BUILD=DIR         another build folder; changed settings rebuild what they concern in any case
##   DEPS=PREFIX       headers and libraries in a prefix of your own (PREFIX/include, PREFIX/lib)
##   STB=DIR           the folder that holds another stb_image.h
##   OPT=-O1 EXTRA=... optimisation level, more compiler flags; V=1 shows whole commands
##   -j N              jobs; without it, one per processor

MAKEFLAGS += --no-builtin-rules
CXX ?= g++
BUILD ?= build
BLAS ?= openblas
NATIVE ?= 1
OPT ?= -O3
CLANG_FORMAT ?= $(firstword $(shell command -v clang-format-14 clang-format))

ifeq ($(MAKELEVEL),0)
ifeq ($(filter -j% --jobs%,$(MAKEFLAGS) $(shell printenv MAKEFLAGS)),)
MAKEFLAGS += -j$(shell nproc 2>/dev/null || getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)
endif
endif

# --- Flags -----------------------------------------------------------------------------------------------------------

comma := ,
SYSTEM := $(shell uname -s)
# Where DEPS has its headers and libraries: a plain prefix, or one that Debian packages were unpacked into.
DEPS_INCLUDE := $(if $(DEPS),$(filter-out /usr/include,$(wildcard $(addprefix $(DEPS)/,include include/stb \
  include/openblas usr/include usr/include/stb usr/include/*-linux-gnu usr/include/*-linux-gnu/openblas-*))))
DEPS_LIB := $(if $(DEPS),$(wildcard $(addprefix $(DEPS)/,lib lib64 lib/*-linux-gnu usr/lib usr/lib64 \
  usr/lib/*-linux-gnu usr/lib/*-linux-gnu/openblas-*)))

# GCC 12 warns of impossible overlaps in std::string (its bug 105651) and, with sanitizers, of uninitialised variables
# in std::regex (105562).
WARN := -Wall -Wextra -Wno-psabi $(if $(findstring clang,$(CXX)),,-Wno-restrict $(if $(SANITIZE),-Wno-maybe-uninitialized))
INCLUDES := -I. $(addprefix -isystem ,$(STB) $(DEPS_INCLUDE) /usr/include/stb /usr/include/openblas)
PREPROCESSOR_FLAGS := $(INCLUDES) $(CPPFLAGS) $(DEFS)
# Plain files promise the same bits everywhere, hence no contraction to fused multiply-add.
COMPILER_FLAGS := -std=c++20 $(OPT) -g1 $(WARN) -fopenmp -ffp-contract=off -fno-math-errno -fno-trapping-math \
  $(SANITIZE) $(EXTRA)
# The old kind of run path also serves the libraries' own libraries.
LINKER_FLAGS := $(LDFLAGS) $(foreach dir,$(DEPS_LIB),-L$(dir) -Wl,-rpath,$(abspath $(dir))) \
  $(if $(DEPS_LIB),$(if $(filter Linux,$(SYSTEM)),-Wl$(comma)--disable-new-dtags))
LDLIBS := -lz
ifeq ($(BLAS),openblas)
PREPROCESSOR_FLAGS += -DVMOE_OPENBLAS
LDLIBS += -lopenblas
else ifneq ($(BLAS),none)
$(error BLAS is '$(BLAS)'; it must be openblas or none)
endif

# The fast kernels are one source file, compiled once per instruction set and chosen from when the program starts.
MACHINE := $(shell $(CXX) -dumpmachine 2>/dev/null || uname -m)
ISAS := baseline $(if $(filter x86_64% amd64%,$(MACHINE)),avx2 avx512)
ISA_baseline :=
ISA_avx2 := -mavx2 -mfma
ISA_avx512 := -mavx512f -mavx512bw -mavx512dq -mavx512vl -mfma -mprefer-vector-width=512
KERNEL_FLAGS := -ffp-contract=fast
# Products of fewer bits (tensor/kernels/narrow.h), by set and by the kernels that it stands beside.
INT8_SETS := baseline $(if $(filter x86_64% amd64%,$(MACHINE)),avx2 avx_vnni avx512 avx512_vnni)
INT8_baseline := -DVMOE_COMPANION=baseline
INT8_avx2 := $(ISA_avx2) -DVMOE_COMPANION=avx2
INT8_avx_vnni := $(ISA_avx2) -mavxvnni -DVMOE_COMPANION=avx2
INT8_avx512 := $(ISA_avx512) -DVMOE_COMPANION=avx512
INT8_avx512_vnni := $(ISA_avx512) -mavx512vnni -DVMOE_COMPANION=avx512
BF16_SETS := $(if $(filter x86_64% amd64%,$(MACHINE)),avx512_bf16)
BF16_avx512_bf16 := $(ISA_avx512) -mavx512bf16
AMX_FLAGS := $(ISA_avx512) -mavx512bf16 -mamx-tile -mamx-int8 -mamx-bf16

# All but these kernels is compiled for the oldest machine of its kind. -march=native gives the same bytes there but no
# speed that could be measured (0 to 2 % on two models, as much as runs differ), and a program that dies elsewhere; so
# what NATIVE changes is only which of equal instructions are preferred.
ifeq ($(NATIVE),1)
NATIVE_FLAGS := $(if $(filter x86_64% amd64%,$(MACHINE)),-mtune=native)
else ifneq ($(NATIVE),0)
$(error NATIVE is '$(NATIVE)'; it must be 1 (tuned for this machine) or 0 (the same program wherever it is built))
endif

# --- Sources and programs --------------------------------------------------------------------------------------------

FOLDERS := tensor autograd nn moe data train cli

sources = $(filter-out tensor/kernels/vector%.cpp,$(sort $(wildcard $(1)/*.cpp $(1)/*/*.cpp)))
to_objects = $(patsubst %.cpp,$(BUILD)/%.o,$(1))
objects = $(call to_objects,$(call sources,$(1)))
ISA_OBJECTS := $(ISAS:%=$(BUILD)/tensor/kernels/vector_%.o)
INT8_OBJECTS := $(INT8_SETS:%=$(BUILD)/tensor/kernels/vector_int8_%.o)
BF16_OBJECTS := $(BF16_SETS:%=$(BUILD)/tensor/kernels/vector_bf16_%.o)
AMX_OBJECTS := $(if $(filter x86_64% amd64%,$(MACHINE)),$(BUILD)/tensor/kernels/vector_amx.o)
KERNEL_OBJECTS := $(ISA_OBJECTS) $(INT8_OBJECTS) $(BF16_OBJECTS) $(AMX_OBJECTS)
# Objects of each layer and all below it: a test program that reaches further up does not link.
UP_tensor := $(call objects,tensor) $(KERNEL_OBJECTS)
UP_autograd := $(UP_tensor) $(call objects,autograd)
UP_nn := $(UP_autograd) $(call objects,nn)
UP_moe := $(UP_nn) $(call objects,moe)
UP_data := $(UP_tensor) $(call objects,data)
UP_train := $(UP_moe) $(call objects,data) $(call objects,train)
UP_cli := $(UP_train) $(filter-out $(BUILD)/cli/main.o,$(call objects,cli))
UP_tools :=  # the tests of the source text and of tools/ need nothing of the program

TEST_FOLDERS := $(foreach f,$(FOLDERS) tools,$(if $(wildcard tests/$(f)/*.cpp),$(f)))
TEST_SOURCES := tests/main.cpp $(foreach f,$(TEST_FOLDERS) support,$(wildcard tests/$(f)/*.cpp))
TESTS := $(TEST_FOLDERS:%=$(BUILD)/tests/%_tests)
OBJECTS := $(UP_cli) $(BUILD)/cli/main.o $(call to_objects,$(TEST_SOURCES))

all: $(BUILD)/vmoe
tests: $(TESTS)

# --- Settings and file lists: a stamp changes only when its text does ------------------------------------------------

SETTINGS = $(CXX) $(shell $(CXX) -dumpversion 2>/dev/null) $(PREPROCESSOR_FLAGS) $(COMPILER_FLAGS) $(LINKER_FLAGS) \
  $(LDLIBS) $(NATIVE_FLAGS) $(KERNEL_FLAGS) $(foreach isa,$(ISAS),$(isa): $(ISA_$(isa))) \
  $(foreach set,$(INT8_SETS),int8 $(set): $(INT8_$(set))) $(foreach set,$(BF16_SETS),bf16 $(set): $(BF16_$(set))) \
  $(if $(AMX_OBJECTS),amx: $(AMX_FLAGS))
quoted = '$(subst ','\'',$(strip $(1)))'
PROBE = CXX=$(call quoted,$(CXX)) CPPFLAGS=$(call quoted,$(PREPROCESSOR_FLAGS)) \
  LDFLAGS=$(call quoted,$(LINKER_FLAGS)) SANITIZE=$(call quoted,$(SANITIZE)) BLAS=$(BLAS) sh tools/deps.sh

# Everything that is compiled depends on the settings; new settings are looked at before they are used.
$(BUILD)/settings: FORCE
	@mkdir -p $(@D)
	@printf '%s\n' $(call quoted,$(SETTINGS)) | cmp -s - $@ || \
	  { $(PROBE) check program && printf '%s\n' $(call quoted,$(SETTINGS)) >$@; }

# Programs are linked anew when a source file comes or goes.
$(BUILD)/sources: FORCE
	@mkdir -p $(@D)
	@printf '%s\n' $(sort $(OBJECTS)) | cmp -s - $@ || printf '%s\n' $(sort $(OBJECTS)) >$@

# The commit goes to one file alone: a new one compiles nothing else anew.
REVISION := $(shell sh tools/revision.sh)
$(BUILD)/revision: FORCE
	@mkdir -p $(@D)
	@echo '$(REVISION)' | cmp -s - $@ || echo '$(REVISION)' >$@
$(BUILD)/train/version.o: $(BUILD)/revision
$(BUILD)/train/version.o: compile += -DVMOE_REVISION='"$(REVISION)"'

# --- Rules -----------------------------------------------------------------------------------------------------------

say = $(if $(V),,@echo '  $(1) $(2)';)
link = $(CXX) $(COMPILER_FLAGS) -o $@ $(filter %.o,$^) $(LINKER_FLAGS) $(LDLIBS)
compile = mkdir -p $(@D) && $(CXX) $(PREPROCESSOR_FLAGS) $(COMPILER_FLAGS) -MMD -MP

$(BUILD)/vmoe: $(UP_cli) $(BUILD)/cli/main.o $(BUILD)/sources
	$(call say,link   ,$@)$(link) $(if $(filter Linux,$(SYSTEM)),-Wl$(comma)-Map=$@.map)

SUPPORT := $(call to_objects,$(wildcard tests/support/*.cpp))
define test_program
$(BUILD)/tests/$(1)_tests: $(BUILD)/tests/main.o $(call to_objects,$(wildcard tests/$(1)/*.cpp)) \
  $(if $(UP_$(1)),$(SUPPORT) $(UP_$(1))) $(BUILD)/sources
	$$(call say,link   ,$$@)$$(link)
endef
$(foreach f,$(FOLDERS) tools,$(eval $(call test_program,$(f))))

# Tests spend their time in the library; their own code is compiled quickly.
$(BUILD)/tests/%.o: compile += $(OPT:-O3=-O1)
$(BUILD)/%.o: %.cpp $(BUILD)/settings
	$(call say,compile,$<)$(compile) $(NATIVE_FLAGS) -c -o $@ $<

$(ISA_OBJECTS): $(BUILD)/tensor/kernels/vector_%.o: tensor/kernels/vector.cpp $(BUILD)/settings
	$(call say,compile,$< for $*)$(compile) $(KERNEL_FLAGS) $(ISA_$*) -DVMOE_ISA=$* -c -o $@ $<
# Without contraction: the bytes of int8 are those of the plain loops.
$(INT8_OBJECTS): $(BUILD)/tensor/kernels/vector_int8_%.o: tensor/kernels/vector_int8.cpp $(BUILD)/settings
	$(call say,compile,$< for $*)$(compile) $(INT8_$*) -DVMOE_ISA=$* -c -o $@ $<

$(BF16_OBJECTS): $(BUILD)/tensor/kernels/vector_bf16_%.o: tensor/kernels/vector_bf16.cpp $(BUILD)/settings
	$(call say,compile,$< for $*)$(compile) $(BF16_$*) -c -o $@ $<

$(AMX_OBJECTS): tensor/kernels/vector_amx.cpp $(BUILD)/settings
	$(call say,compile,$<)$(compile) $(AMX_FLAGS) -c -o $@ $<

-include $(OBJECTS:.o=.d)

# --- Jobs ------------------------------------------------------------------------------------------------------------

help:
	@sed -n 's/^## \{0,1\}//p' Makefile

# Packages are installed before the build is planned: the plan asks the compiler for its machine.
demo:
	@$(PROBE) install program
	@$(MAKE) --no-print-directory all
	@VMOE=$(BUILD)/vmoe sh tools/demo.sh

test:
	@$(PROBE) install tests
	@$(MAKE) --no-print-directory run-tests

run-tests: tests all
	@sh tools/run_tests.sh $(TESTS)

# Jobs in a build folder of their own: this make only names its settings.
check-f64:
	@$(MAKE) --no-print-directory BUILD=$(BUILD)-f64 BLAS=none DEFS=-DVMOE_F64 probed-f64
portable:
	@$(MAKE) --no-print-directory BUILD=$(BUILD)-portable NATIVE=0 run-portable
asan: SANITIZERS := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
tsan: SANITIZERS := -fsanitize=thread
tsan: export TSAN_OPTIONS ?= ignore_noninstrumented_modules=1
asan tsan:
	@SANITIZE=$(call quoted,$(SANITIZERS)) $(MAKE) --no-print-directory BUILD=$(BUILD)-$@ OPT=-O1 probed-tests

probed-%:
	@$(PROBE) check tests
	@$(MAKE) --no-print-directory run-$*

F64_TESTS := $(foreach f,autograd nn moe,$(filter %/$(f)_tests,$(TESTS)))
run-f64: $(F64_TESTS)
	@sh tools/run_tests.sh $(F64_TESTS)

run-portable: $(BUILD)/vmoe
	@sh tools/check_portable.sh $(BUILD)/vmoe $(BUILD)/vmoe.map $(filter-out %_baseline.o,$(KERNEL_OBJECTS))
	@$(BUILD)/vmoe bench train --model fashion64 --batch-size 16 --seconds 0 --isa baseline

FORMATTED = $(sort $(shell find $(FOLDERS) bench tests tools -name '*.h' -o -name '*.cpp'))
format:
	@$(CLANG_FORMAT) -i $(FORMATTED)
check-format:
	@$(CLANG_FORMAT) --version
	@$(CLANG_FORMAT) --dry-run --Werror $(FORMATTED) && echo 'All $(words $(FORMATTED)) files are formatted.'

clean:
	rm -rf $(BUILD) $(BUILD)-f64 $(BUILD)-asan $(BUILD)-tsan $(BUILD)-portable

.PHONY: all tests test run-tests demo check-f64 run-f64 asan tsan portable run-portable format check-format clean help FORCE
.DELETE_ON_ERROR:
.DEFAULT_GOAL := all
