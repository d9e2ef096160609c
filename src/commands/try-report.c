/* The two forms of one report. Texts of strangers are escaped in both; octets that are no UTF-8
 * become U+FFFD in JSON. It can not fail. */
#include "commands/try-report.h"

#include <stdio.h>

#include <json-glib/json-glib.h>

#include "commands/try-diff.h"
#include "message/signatures.h"

struct _TryReport
{
  JsonObject *root; /* NULL: for people */
};

static const gchar *
verdict_word (const IpcRecord *record)
{
  static const gchar *const words[] = { "pass", "skip", "reply", "close", "discard", "quarantine" };

  return record->failed ? "failed" : words[record->verdict];
}

/* ---- JSON ---- */

static void
set_text (JsonObject *object, const gchar *name, const gchar *text)
{
  g_autofree gchar *valid = text == NULL ? NULL : g_utf8_make_valid (text, -1);

  if (valid != NULL)
    json_object_set_string_member (object, name, valid);
}

static void
add_text (JsonArray *array, const gchar *text)
{
  g_autofree gchar *valid = g_utf8_make_valid (text, -1);

  json_array_add_string_element (array, valid);
}

/* The member, made when it is first asked for. */
static JsonArray *
list_of (JsonObject *object, const gchar *name)
{
  if (!json_object_has_member (object, name))
    json_object_set_array_member (object, name, json_array_new ());
  return json_object_get_array_member (object, name);
}

static JsonObject *
notes_of (const IpcRecord *record)
{
  JsonObject *notes = json_object_new ();

  for (guint i = 0; record->notes != NULL && i < record->notes->len; i++)
    {
      const IpcNote *note = g_ptr_array_index (record->notes, i);
      g_autofree gchar *name = g_utf8_make_valid (note->name, -1);

      set_text (notes, name, note->value);
    }
  return notes;
}

static void
json_record (TryReport *report, IpcHook hook, const ChainFilter *filter, const IpcRecord *record,
             const gchar *why)
{
  JsonObject *step = json_object_new ();
  g_autofree gchar *reply
      = record == NULL || record->reply == NULL ? NULL : base_reply_to_string (record->reply);

  set_text (step, "hook", ipc_hook_name (hook));
  set_text (step, "filter", filter->name);
  set_text (step, "verdict", record == NULL ? "failed" : verdict_word (record));
  json_object_set_boolean_member (step, "shadow", !filter->enforce);
  set_text (step, "reason", record == NULL ? why : record->reason);
  set_text (step, "reply", reply);
  if (record != NULL)
    {
      json_object_set_double_member (step, "milliseconds", record->microseconds / 1000.0);
      json_object_set_object_member (step, "notes", notes_of (record));
    }
  json_array_add_object_element (list_of (report->root, "steps"), step);
}

static void
json_signatures (TryReport *report, const GPtrArray *signatures)
{
  JsonArray *list = list_of (report->root, "signatures");

  for (guint i = 0; i < signatures->len; i++)
    {
      const MessageSignature *signature = signatures->pdata[i];
      JsonObject *object = json_object_new ();

      set_text (object, "domain", signature->domain);
      set_text (object, "selector", signature->selector);
      set_text (object, "header", signature->relaxed_header ? "relaxed" : "simple");
      set_text (object, "body", signature->relaxed_body ? "relaxed" : "simple");
      for (gchar **name = signature->fields; *name != NULL; name++)
        add_text (list_of (object, "fields"), *name);
      if (signature->octets != G_MAXUINT64)
        json_object_set_int_member (object, "octets", (gint64) signature->octets);
      list_of (object, "broken");
      for (guint j = 0; j < signature->broken->len; j++)
        add_text (list_of (object, "broken"), signature->broken->pdata[j]);
      json_array_add_object_element (list, object);
    }
}

static void
json_edits (TryReport *report, const ChainOutcome *outcome, const GPtrArray *signatures,
            const BaseBuffer *diff)
{
  g_autofree gchar *text
      = g_strndup ((const gchar *) base_buffer_bytes (diff), base_buffer_length (diff));

  if (outcome->sender != NULL)
    set_text (report->root, "sender", outcome->sender->address);
  for (guint i = 0; outcome->recipients != NULL && i < outcome->recipients->len; i++)
    add_text (list_of (report->root, "recipients"),
              ((BasePath *) g_ptr_array_index (outcome->recipients, i))->address);
  json_signatures (report, signatures);
  json_object_set_int_member (report->root, "edits",
                              outcome->edits == NULL ? 0 : message_edits_count (outcome->edits));
  set_text (report->root, "diff", text);
}

/* ---- For people ---- */

static void
print_record (IpcHook hook, const ChainFilter *filter, const IpcRecord *record, const gchar *why)
{
  if (record == NULL)
    {
      printf ("%-15s %-20s failed: %s\n", ipc_hook_name (hook), filter->name, why);
      return;
    }
  printf ("%-15s %-20s %-10s %8.3f ms%s", ipc_hook_name (hook), filter->name, verdict_word (record),
          record->microseconds / 1000.0, filter->enforce ? "" : " (shadow)");
  if (record->reply != NULL)
    {
      g_autofree gchar *reply = base_reply_to_string (record->reply);

      printf ("  %s", reply);
    }
  printf ("%s%s\n", record->reason != NULL ? "  " : "",
          record->reason != NULL ? record->reason : "");
  for (guint i = 0; record->notes != NULL && i < record->notes->len; i++)
    {
      const IpcNote *note = g_ptr_array_index (record->notes, i);
      g_autofree gchar *value = g_strescape (note->value, NULL);

      printf ("%-15s   note %s=%s\n", "", note->name, value);
    }
}

static gchar *
joined (const GPtrArray *words)
{
  GString *text = g_string_new (NULL);

  for (guint i = 0; i < words->len; i++)
    g_string_append_printf (text, "%s%s", i > 0 ? ", " : "", (gchar *) words->pdata[i]);
  return g_string_free (text, FALSE);
}

static void
print_signature (const MessageSignature *signature)
{
  g_autofree gchar *broken = joined (signature->broken);
  g_autofree gchar *fields = g_strjoinv (", ", signature->fields);
  g_autofree gchar *covered
      = signature->octets == G_MAXUINT64
            ? g_strdup ("the body")
            : g_strdup_printf ("%" G_GUINT64_FORMAT " octets of the body", signature->octets);
  g_autofree gchar *line
      = g_strdup_printf ("DKIM signature %s/%s (%s/%s; covers %s and %s): %s%s", signature->domain,
                         signature->selector, signature->relaxed_header ? "relaxed" : "simple",
                         signature->relaxed_body ? "relaxed" : "simple", fields, covered,
                         signature->broken->len > 0 ? "broken: " : "kept", broken);
  g_autofree gchar *safe = g_strescape (line, "\"");

  printf ("%s\n", safe);
}

static void
print_edits (const ChainOutcome *outcome, const GPtrArray *signatures, const BaseBuffer *diff)
{
  if (outcome->sender != NULL)
    printf ("sender becomes <%s>\n", outcome->sender->address);
  for (guint i = 0; outcome->recipients != NULL && i < outcome->recipients->len; i++)
    printf ("%s <%s>\n", i == 0 ? "recipients become" : "                 ",
            ((BasePath *) g_ptr_array_index (outcome->recipients, i))->address);
  for (guint i = 0; i < signatures->len; i++)
    print_signature (signatures->pdata[i]);
  if (base_buffer_length (diff) > 0)
    fwrite (base_buffer_bytes (diff), 1, base_buffer_length (diff), stdout);
}

/* ---- The report ---- */

TryReport *
try_report_new (gboolean json)
{
  TryReport *report = g_new0 (TryReport, 1);

  if (json)
    {
      report->root = json_object_new ();
      list_of (report->root, "steps");
    }
  return report;
}

void
try_report_finish (TryReport *report, gint status)
{
  if (report->root != NULL)
    {
      g_autoptr (JsonNode) node = json_node_new (JSON_NODE_OBJECT);
      g_autofree gchar *text = NULL;

      json_object_set_int_member (report->root, "status", status);
      json_node_take_object (node, report->root);
      text = json_to_string (node, TRUE);
      printf ("%s\n", text);
    }
  g_free (report);
}

void
try_report_remark (TryReport *report, const gchar *format, ...)
{
  g_autofree gchar *text = NULL;
  va_list arguments;

  va_start (arguments, format);
  text = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  if (report->root != NULL)
    add_text (list_of (report->root, "remarks"), text);
  else
    printf ("%s\n", text);
}

void
try_report_record (TryReport *report, IpcHook hook, const ChainFilter *filter,
                   const IpcRecord *record, const gchar *why)
{
  if (report->root != NULL)
    json_record (report, hook, filter, record, why);
  else
    print_record (hook, filter, record, why);
}

void
try_report_edits (TryReport *report, const ChainOutcome *outcome, GBytes *message)
{
  gsize size = 0;
  const guint8 *bytes = g_bytes_get_data (message, &size);
  MessageSource source = message_source_from_memory (bytes, size);
  g_autoptr (GPtrArray) signatures = message_signatures_check (&source, outcome->edits);
  g_auto (BaseBuffer) diff = BASE_BUFFER_INIT;

  if (outcome->edits != NULL && message_edits_count (outcome->edits) > 0)
    try_diff (outcome->edits, bytes, size, &diff);
  if (report->root != NULL)
    json_edits (report, outcome, signatures, &diff);
  else
    print_edits (outcome, signatures, &diff);
}

void
try_report_outcome (TryReport *report, const gchar *word, const gchar *text)
{
  if (report->root != NULL)
    {
      set_text (report->root, "outcome", word);
      set_text (report->root, "text", text);
    }
  else
    printf ("%s%s%s\n", word, text == NULL ? "" : ": ", text == NULL ? "" : text);
}
