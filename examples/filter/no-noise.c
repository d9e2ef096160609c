/* Refuses messages that have an X-Noise field, and counts the fields of the others. The example of
 * docs/writing-filters.md, compiled. */
#include <mailweir/filter.h>

static WeirVerdict
no_noise (WeirContext *context)
{
  if (weir_header_find (context, "X-Noise", 0) != WEIR_NO_HEADER)
    return weir_reply (context, 550, "5.7.1", "No noise, please");
  weir_set_note (context, "fields", "%u", weir_header_count (context));
  return WEIR_PASS;
}

WEIR_EXPORT const WeirFilter weir_filter = {
  WEIR_FILTER_HEADER,
  .name = "no-noise",
  .summary = "refuses messages with an X-Noise field",
  .end_of_headers = no_noise,
};
