# vmoe.cpp: `make help` lists the targets.
CXX ?= g++
BUILD ?= build
BLAS ?= openblas
CXXSTD := -std=c++20
OPT ?= -O3
WARN := -Wall -Wextra -Wno-psabi
CPPFLAGS += -I. -isystem /usr/include/stb $(DEFS)
CXXFLAGS := $(CXXSTD) $(OPT) -g1 $(WARN) -fopenmp -ffp-contract=off -MMD -MP $(SANITIZE) $(EXTRA)
LDLIBS := -lz
ifeq ($(BLAS),openblas)
DEFS += -DVMOE_OPENBLAS
LDLIBS += -lopenblas
endif

FOLDERS := tensor autograd nn moe data train cli
ISAS := baseline avx2 avx512
ISA_baseline :=
ISA_avx2 := -mavx2 -mfma
ISA_avx512 := -mavx512f -mavx512bw -mavx512dq -mavx512vl -mfma -mprefer-vector-width=512

sources = $(filter-out tensor/kernels/vector.cpp,$(wildcard $(1)/*.cpp $(1)/*/*.cpp))
objects = $(patsubst %.cpp,$(BUILD)/%.o,$(call sources,$(1)))
KERNEL_OBJECTS := $(foreach isa,$(ISAS),$(BUILD)/tensor/kernels/vector_$(isa).o)
# Objects of each layer and all below it.
UP_tensor := $(call objects,tensor) $(KERNEL_OBJECTS)
UP_autograd := $(UP_tensor) $(call objects,autograd)
UP_nn := $(UP_autograd) $(call objects,nn)
UP_moe := $(UP_nn) $(call objects,moe)
UP_data := $(UP_tensor) $(call objects,data)
UP_train := $(UP_moe) $(call objects,data) $(call objects,train)
UP_cli := $(UP_train) $(filter-out $(BUILD)/cli/main.o,$(call objects,cli))

TESTS := $(foreach f,$(FOLDERS),$(if $(wildcard tests/$(f)/*.cpp),$(BUILD)/tests/$(f)_tests))

all: $(BUILD)/vmoe

$(BUILD)/vmoe: $(UP_cli) $(BUILD)/cli/main.o
	$(CXX) $(CXXFLAGS) -o $@ $^ $(LDLIBS)

define test_program
$(BUILD)/tests/$(1)_tests: $(BUILD)/tests/main.o $(patsubst %.cpp,$(BUILD)/%.o,$(wildcard tests/$(1)/*.cpp)) $(patsubst %.cpp,$(BUILD)/%.o,$(wildcard tests/support/*.cpp)) $(UP_$(1))
	$$(CXX) $$(CXXFLAGS) -o $$@ $$^ $$(LDLIBS)
endef
$(foreach f,$(FOLDERS),$(eval $(call test_program,$(f))))

$(BUILD)/%.o: %.cpp
	@mkdir -p $(@D)
	$(CXX) $(CPPFLAGS) $(CXXFLAGS) -c -o $@ $<

$(BUILD)/tensor/kernels/vector_%.o: tensor/kernels/vector.cpp
	@mkdir -p $(@D)
	$(CXX) $(CPPFLAGS) $(CXXFLAGS) -ffp-contract=fast $(ISA_$*) -DVMOE_ISA=$* -c -o $@ $<

tests: $(TESTS)
test: $(TESTS)
	@for t in $(TESTS); do echo "== $$t"; $$t || exit 1; done

.PHONY: all tests test
-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
