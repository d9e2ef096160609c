/* A module that adds the command which "hooks" adds: one chain can not have both. */
#include <mailweir/filter.h>

static WeirVerdict
status (WeirContext *context, const char *argument)
{
  return weir_reply (context, 250, NULL, "rival");
}

static const WeirCommand commands[] = {
  { "xstatus", WEIR_STATE_GREETED, FALSE, status },
  { NULL },
};

WEIR_EXPORT const WeirFilter weir_filter = {
  WEIR_FILTER_HEADER,
  .name = "rival",
  .summary = "rival",
  .commands = commands,
};
