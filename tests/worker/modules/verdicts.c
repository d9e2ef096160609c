/* answers commands and end_of_headers as its option `answer` says: every verdict, good and bad,
 * and every way to die. */
#include <signal.h>
#include <string.h>

#include <mailweir/filter.h>

typedef struct
{
  const char *answer;
} Settings;

static const WeirOption options[] = {
  { "answer", WEIR_OPTION_STRING, G_STRUCT_OFFSET (Settings, answer), "pass", "what to do",
    .required = TRUE },
  { NULL },
};

static WeirVerdict
crash (void)
{
  raise (SIGSEGV);
  return WEIR_PASS;
}

static WeirVerdict
allocate (void)
{
  gsize most = 64 * 1024; /* MB: no limit that a test sets is over it */

  while (most-- > 0)
    memset (g_malloc (1 << 20), 1, 1 << 20);
  return WEIR_PASS;
}

static WeirVerdict
misbehave (WeirContext *context, const char *answer)
{
  if (strcmp (answer, "nonsense") == 0)
    return 17;
  if (strcmp (answer, "no-reply") == 0)
    return WEIR_REPLY;
  if (strcmp (answer, "class") == 0)
    return weir_reply (context, 550, "4.0.0", "no");
  if (strcmp (answer, "354") == 0)
    return weir_reply (context, 354, NULL, "go on");
  if (strcmp (answer, "split") == 0)
    return weir_split (context);
  if (strcmp (answer, "close-250") == 0)
    return weir_close (context, 250, NULL, "fine");
  if (strcmp (answer, "undeclared") == 0)
    weir_header_append (context, "X-Y", "z", NULL);
  if (strcmp (answer, "crash") == 0)
    return crash ();
  if (strcmp (answer, "allocate") == 0)
    return allocate ();
  return WEIR_PASS;
}

static WeirVerdict
answer (WeirContext *context)
{
  const Settings *settings = weir_config (context);

  if (strcmp (settings->answer, "refuse") == 0)
    return weir_reply (context, 550, "5.7.1", "no %s\ntwo\tlines", "way");
  if (strcmp (settings->answer, "text") == 0)
    return weir_reply (context, 250, "2.0.0", "welcome");
  if (strcmp (settings->answer, "skip") == 0)
    return WEIR_SKIP;
  if (strcmp (settings->answer, "close") == 0)
    return weir_close (context, 421, "4.7.0", "later");
  if (strcmp (settings->answer, "discard") == 0)
    return WEIR_DISCARD;
  if (strcmp (settings->answer, "quarantine") == 0)
    return weir_quarantine (context, "bad\nthing");
  return misbehave (context, settings->answer);
}

static WeirVerdict
on_mail (WeirContext *context, const char *sender)
{
  return answer (context);
}

WEIR_EXPORT const WeirFilter weir_filter = {
  WEIR_FILTER_HEADER,
  .name = "verdicts",
  .summary = "answers as told",
  .config_size = sizeof (Settings),
  .options = options,
  .connect = answer,
  .mail = on_mail,
  .rcpt = on_mail,
  .data = answer,
  .end_of_headers = answer,
  .rset = answer,
};
