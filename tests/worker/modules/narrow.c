/* Has hooks that see the body, and gives them up at load when told so. */
#include <mailweir/filter.h>

typedef struct
{
  gboolean narrow;
} Settings;

static const WeirOption options[] = {
  { "narrow", WEIR_OPTION_BOOLEAN, G_STRUCT_OFFSET (Settings, narrow), NULL, "only some hooks" },
  { NULL },
};

static gboolean
load (WeirLoad *loading, gpointer config, GError **error)
{
  const Settings *settings = config;

  if (settings->narrow)
    {
      weir_load_hooks (loading, WEIR_HOOK_MAIL | WEIR_HOOK_END_OF_HEADERS | WEIR_HOOK_RCPT);
      weir_load_hooks (loading, ~(guint) WEIR_HOOK_MAIL);
    }
  return TRUE;
}

static WeirVerdict
on_mail (WeirContext *context, const char *sender)
{
  weir_set_note (context, "mail", "called");
  return WEIR_PASS;
}

static WeirVerdict
on_header (WeirContext *context, const char *name, const char *value)
{
  weir_set_note (context, "header", "called");
  return WEIR_PASS;
}

static WeirVerdict
on_end_of_headers (WeirContext *context)
{
  weir_set_note (context, "end_of_headers", "called");
  return WEIR_PASS;
}

static WeirVerdict
on_end_of_message (WeirContext *context)
{
  weir_set_note (context, "end_of_message", "called");
  return WEIR_PASS;
}

static WeirVerdict
command (WeirContext *context, const char *argument)
{
  return weir_reply (context, 250, NULL, "here");
}

static const WeirCommand commands[] = {
  { "XNARROW", WEIR_STATE_GREETED, FALSE, command },
  { NULL },
};

WEIR_EXPORT const WeirFilter weir_filter = {
  WEIR_FILTER_HEADER,
  .name = "narrow",
  .summary = "gives hooks up",
  .config_size = sizeof (Settings),
  .options = options,
  .commands = commands,
  .load = load,
  .mail = on_mail,
  .header = on_header,
  .end_of_headers = on_end_of_headers,
  .end_of_message = on_end_of_message,
};
