/* A filter that fails in a chosen way at a chosen hook. For tests only: never installed.
 *
 * It stands on the hooks mail, rcpt, end_of_headers and end_of_message. */
#include <mailweir/filter.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct
{
  const char *at;
  const char *how;
  const char *when_sender;
} Config;

static const WeirOption options[]
    = { { "at", WEIR_OPTION_STRING, G_STRUCT_OFFSET (Config, at), "end_of_message",
          "mail, rcpt, end_of_headers or end_of_message." },
        { "how", WEIR_OPTION_STRING, G_STRUCT_OFFSET (Config, how), NULL,
          "null, loop, allocate, nonsense, exit, abort, edit, or sleep:5s.", .required = TRUE },
        { "when-sender", WEIR_OPTION_STRING, G_STRUCT_OFFSET (Config, when_sender), "*",
          "Only for senders that this glob fits." },
        { NULL } };

/* Memory that is touched, so that it counts. */
static void
allocate (void)
{
  for (;;)
    {
      gsize size = 16 * 1024 * 1024;
      void *block = malloc (size);

      if (block == NULL)
        abort ();
      memset (block, 0x5a, size);
    }
}

static void
sleep_for (const char *duration)
{
  char *unit;
  double number = g_ascii_strtod (duration, &unit);

  g_usleep ((gulong) (number * (g_str_equal (unit, "ms") ? 1000 : 1000000)));
}

static WeirVerdict
fail (WeirContext *context, const char *how)
{
  volatile guint turns = 0;

  if (g_str_equal (how, "null"))
    *(volatile int *) GUINT_TO_POINTER (turns) = 1;
  else if (g_str_equal (how, "loop"))
    for (;;)
      turns++;
  else if (g_str_equal (how, "allocate"))
    allocate ();
  else if (g_str_equal (how, "nonsense"))
    return (WeirVerdict) 77;
  else if (g_str_equal (how, "exit"))
    _exit (0);
  else if (g_str_equal (how, "abort"))
    abort ();
  else if (g_str_equal (how, "edit")) /* not declared */
    weir_header_prepend (context, "X-Fault", "undeclared", NULL);
  else if (g_str_has_prefix (how, "sleep:"))
    sleep_for (how + strlen ("sleep:"));
  return WEIR_PASS;
}

static WeirVerdict
maybe_fail (WeirContext *context, const char *hook)
{
  const Config *config = weir_config (context);
  const char *sender = weir_sender (context);

  if (g_strcmp0 (config->at, hook) != 0
      || !g_pattern_match_simple (config->when_sender, sender == NULL ? "" : sender))
    return WEIR_PASS;
  return fail (context, config->how);
}

static WeirVerdict
on_mail (WeirContext *context, const char *sender)
{
  return maybe_fail (context, "mail");
}

static WeirVerdict
on_rcpt (WeirContext *context, const char *recipient)
{
  return maybe_fail (context, "rcpt");
}

static WeirVerdict
on_end_of_headers (WeirContext *context)
{
  return maybe_fail (context, "end_of_headers");
}

static WeirVerdict
on_end_of_message (WeirContext *context)
{
  return maybe_fail (context, "end_of_message");
}

WEIR_EXPORT const WeirFilter weir_filter = {
  WEIR_FILTER_HEADER,
  .name = "fault",
  .summary = "fails as it is told, for tests",
  .config_size = sizeof (Config),
  .options = options,
  .mail = on_mail,
  .rcpt = on_rcpt,
  .end_of_headers = on_end_of_headers,
  .end_of_message = on_end_of_message,
};
