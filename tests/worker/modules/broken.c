/* A module whose option lies outside of its block: must not be loaded. */
#include <mailweir/filter.h>

static const WeirOption options[] = {
  { "far", WEIR_OPTION_INTEGER, 8, NULL, "outside" },
  { NULL },
};

WEIR_EXPORT const WeirFilter weir_filter = {
  WEIR_FILTER_HEADER, .name = "broken", .summary = "broken", .config_size = 8, .options = options,
};
