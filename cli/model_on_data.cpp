#include "cli/model_on_data.h"

#include "cli/common_flags.h"

namespace vmoe {

void add_model_on_data(Flags& flags, ModelOnData& arguments) {
  flags.argument("MODEL", arguments.model, "a model file, or the folder of a run (its best model)");
  flags.argument("DATA", arguments.data, "the data set that the model was trained on");
  flags.group("Data");
  flags.choice("split", arguments.split, {"test", "train", "holdout"},
               "the last two as the model file divides them");
  add_data_flags(flags, arguments.format, arguments.labels);
}

OpenedModel::OpenedModel(const ModelOnData& arguments)
    : loaded(load_model(model_path(arguments.model))),
      dataset(open_dataset_of(loaded.description, arguments.data,
                              {.format = arguments.format, .labels = arguments.labels})),
      images(images_of(*dataset, loaded.description, arguments.split)) {}

}  // namespace vmoe
