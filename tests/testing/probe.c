/* A module that makes one edit or gives one verdict, named by its option; or notes all that it
 * sees. For tests only: never installed. An edit that fails fails the filter. */
#include <mailweir/filter.h>

#include <gmime/gmime.h>
#include <string.h>

typedef struct
{
  const char *run;
  const char *rcpt;
} Config;

static const WeirOption options[] = { { "run", WEIR_OPTION_STRING, G_STRUCT_OFFSET (Config, run),
                                        "nothing", "What to do with a message." },
                                      { "rcpt", WEIR_OPTION_STRING, G_STRUCT_OFFSET (Config, rcpt),
                                        "", "Split recipients from others than of this domain." },
                                      { NULL } };

/* ---- Edits ---- */

static gboolean
sender (WeirContext *context, GError **error)
{
  return weir_set_sender (context, "new@example.org", NULL, error);
}

static gboolean
recipients (WeirContext *context, GError **error)
{
  return weir_add_recipient (context, "more@example.net", NULL, error)
         && weir_remove_recipient (context, "b@example.net", error);
}

static gboolean
prepend (WeirContext *context, GError **error)
{
  return weir_header_prepend (context, "X-New", "1", error);
}

static gboolean
append (WeirContext *context, GError **error)
{
  return weir_header_append (context, "X-New", "1", error);
}

static gboolean
insert (WeirContext *context, GError **error)
{
  return weir_header_insert (context, 1, "X-New", "1", error);
}

static gboolean
insert_raw (WeirContext *context, GError **error)
{
  return weir_header_insert_raw (context, 2, "X-New", "1", error);
}

static gboolean
change (WeirContext *context, GError **error)
{
  return weir_header_change (context, 1, "new", error);
}

static gboolean
change_raw (WeirContext *context, GError **error)
{
  return weir_header_change_raw (context, 1, "new", error);
}

static gboolean
remove_field (WeirContext *context, GError **error)
{
  return weir_header_remove (context, weir_header_find (context, "Subject", 0), error);
}

static GMimeObject *
root (WeirContext *context)
{
  return g_mime_message_get_mime_part (weir_message_mime (context));
}

static GMimeObject *
second_part (WeirContext *context)
{
  return g_mime_multipart_get_part (GMIME_MULTIPART (root (context)), 1);
}

static gboolean
part_replace (WeirContext *context, GError **error)
{
  g_autofree char *text = weir_part_text ("gone");

  return weir_part_replace (context, second_part (context), text, -1, error);
}

static gboolean
part_remove (WeirContext *context, GError **error)
{
  return weir_part_remove (context, second_part (context), error);
}

static gboolean
part_insert (WeirContext *context, GError **error)
{
  return weir_part_insert (context, root (context), 0, "Content-Type: text/x-new\n\nhi", -1, error);
}

static gboolean
body (WeirContext *context, GError **error)
{
  return weir_body_replace (context, "another\n", -1, error);
}

static gboolean
message (WeirContext *context, GError **error)
{
  return weir_message_replace (context, "From: x@y\n\nall new\n", -1, error);
}

static const struct
{
  const char *name;
  gboolean (*run) (WeirContext *context, GError **error);
} edits[] = {
  { "sender", sender },
  { "recipients", recipients },
  { "header-prepend", prepend },
  { "header-append", append },
  { "header-insert", insert },
  { "header-insert-raw", insert_raw },
  { "header-change", change },
  { "header-change-raw", change_raw },
  { "header-remove", remove_field },
  { "part-replace", part_replace },
  { "part-remove", part_remove },
  { "part-insert", part_insert },
  { "body", body },
  { "message", message },
};

/* ---- Verdicts ---- */

static WeirVerdict
reply (WeirContext *context)
{
  weir_reply (context, 550, "5.7.1", "one");
  weir_reply_add_line (context, "two");
  return WEIR_REPLY;
}

static WeirVerdict
hang_up (WeirContext *context)
{
  return weir_close (context, 421, NULL, "bye");
}

static WeirVerdict
discard (WeirContext *context)
{
  return WEIR_DISCARD;
}

static WeirVerdict
quarantine (WeirContext *context)
{
  return weir_quarantine (context, "odd");
}

static WeirVerdict
fail (WeirContext *context)
{
  return weir_fail (context, "broken");
}

static WeirVerdict
nonsense (WeirContext *context)
{
  return (WeirVerdict) 77;
}

static WeirVerdict
accept (WeirContext *context)
{
  return weir_reply (context, 250, "2.0.0", "fine");
}

static WeirVerdict
set_note (WeirContext *context)
{
  weir_set_note (context, "probe", "set");
  return WEIR_PASS;
}

/* All that there is to see, as notes: what a filter behind another one gets. */
static WeirVerdict
see (WeirContext *context)
{
  g_autoptr (GString) to = g_string_new (NULL);
  char bytes[512];
  const gssize length = weir_message_read (context, 0, bytes, sizeof bytes);
  g_autofree char *text
      = length < 0 ? NULL : g_base64_encode ((const guint8 *) bytes, (gsize) length);

  for (guint i = 0; i < weir_recipient_count (context); i++)
    g_string_append_printf (to, "%s%s", i > 0 ? " " : "", weir_recipient (context, i));
  weir_set_note (context, "from", "%s", weir_sender (context));
  weir_set_note (context, "to", "%s", to->str);
  weir_set_note (context, "bytes", "%s", text);
  weir_set_note (context, "client", "%s:%u %s", weir_client_address (context),
                 weir_client_port (context), weir_client_name (context));
  weir_set_note (context, "who", "%s %s %s %s %s", weir_helo (context), weir_user (context),
                 weir_user_mechanism (context), weir_tls_protocol (context),
                 weir_tls_cipher (context));
  weir_set_note (context, "noted", "%s", weir_note (context, "probe"));
  weir_log (context, "seen");
  return WEIR_PASS;
}

static const struct
{
  const char *name;
  WeirVerdict (*run) (WeirContext *context);
} verdicts[] = { { "reply", reply },           { "close", hang_up }, { "discard", discard },
                 { "quarantine", quarantine }, { "fail", fail },     { "nonsense", nonsense },
                 { "accept", accept },         { "note", set_note }, { "see", see } };

static WeirVerdict
on_end_of_message (WeirContext *context)
{
  const Config *config = weir_config (context);
  g_autoptr (GError) error = NULL;

  for (guint i = 0; i < G_N_ELEMENTS (edits); i++)
    if (g_str_equal (config->run, edits[i].name) && !edits[i].run (context, &error))
      return weir_fail (context, "%s", error->message);
  for (guint i = 0; i < G_N_ELEMENTS (verdicts); i++)
    if (g_str_equal (config->run, verdicts[i].name))
      return verdicts[i].run (context);
  return WEIR_PASS;
}

static WeirVerdict
on_rcpt (WeirContext *context, const char *recipient)
{
  const Config *config = weir_config (context);
  const gboolean first = g_str_has_suffix (weir_recipient (context, 0), config->rcpt);

  if (first != g_str_has_suffix (recipient, config->rcpt))
    return weir_split (context);
  return WEIR_PASS;
}

static gboolean
on_start (gpointer data, GError **error)
{
  const Config *config = data;

  if (!g_str_equal (config->run, "start-fails"))
    return TRUE;
  g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_FAILED, "no engine");
  return FALSE;
}

WEIR_EXPORT const WeirFilter weir_filter = {
  WEIR_FILTER_HEADER,
  .name = "probe",
  .summary = "does one thing, for tests",
  .edits = WEIR_EDIT_SENDER | WEIR_EDIT_RECIPIENTS | WEIR_EDIT_HEADERS | WEIR_EDIT_PARTS
           | WEIR_EDIT_BODY | WEIR_EDIT_MESSAGE,
  .config_size = sizeof (Config),
  .options = options,
  .start = on_start,
  .rcpt = on_rcpt,
  .end_of_message = on_end_of_message,
};
