/* Walks through a message, asks the tables, and does what they say. What can not be done fails the
 * filter: `on-failure` decides. */
#include "checks.h"

#include <string.h>

#include "common/message.h"
#include "common/recipients.h"

#define NOTE_SIZE 500 /* octets of the note at which it ends */
#define STATUS_PART 3 /* digits of each of the two behind the first: RFC 3463 section 2 */

/* A change of one line. The line goes, the text comes ahead of its place, or both. */
typedef struct
{
  guint field; /* of the message's own header, if `start` and `end` are 0 */
  gsize start; /* in the body */
  gsize end;
  gboolean goes;
  char *text; /* NULL: none */
} Change;

typedef struct
{
  const Checks *checks;
  WeirContext *context;
  GArray *fields; /* of Change */
  GArray *lines;  /* of Change */
  GPtrArray *blind;
  char *redirect;
  char *hold; /* the reason */
  WeirVerdict verdict;
  gboolean ended; /* `verdict` is final */
  gboolean failed;
  GString *note;
} Run;

static void
clear_change (gpointer data)
{
  g_free (((Change *) data)->text);
}

gboolean
checks_need_body (const Checks *checks)
{
  return checks->tables[WALK_MIME]->len > 0 || checks->tables[WALK_NESTED]->len > 0
         || checks->tables[WALK_BODY]->len > 0;
}

/* ---- One line ---- */

static void
add_change (Run *run, const WalkItem *item, gboolean goes, char *text)
{
  Change change = { item->field, item->start, item->end, goes, text };
  GArray *list = item->end > 0 ? run->lines : run->fields;

  g_array_append_val (list, change);
}

/* A text out of a message: a line break only where a field is folded, no control characters. */
static char *
tidy (char *text)
{
  for (char *at = text; *at != '\0'; at++)
    if (g_ascii_iscntrl (*at) && *at != '\t'
        && !(*at == '\n' && (at[1] == ' ' || at[1] == '\t') && at > text))
      *at = ' ';
  return text;
}

/* The line's own break for what replaces it, CRLF for what comes ahead of it. */
static char *
make_text (const WalkItem *item, const char *text, gboolean instead)
{
  return g_strconcat (text, item->end == 0 || (instead && item->line_break == 0) ? "" : "\r\n",
                      NULL);
}

static void
change_line (Run *run, const WalkItem *item, const TableHit *hit)
{
  gboolean instead = hit->action->kind == ACTION_REPLACE;
  gsize colon;

  if (item->kind == WALK_BODY || action_field_name (hit->text, strlen (hit->text), &colon) > 0)
    add_change (run, item, instead, make_text (item, hit->text, instead));
  else
    weir_log (run->context, "line %u: the text is no header field: nothing is done", hit->line);
}

/* The status at the beginning of a refusal's text; `*text` moves behind it. Caller frees; NULL:
 * there is none. */
static char *
take_status (const char **text)
{
  const char *at = *text;
  guint parts = 0;

  if (*at != '4' && *at != '5')
    return NULL;
  for (at++; *at == '.' && parts < 2; parts++)
    {
      gsize digits = strspn (at + 1, "0123456789");

      if (digits == 0 || digits > STATUS_PART)
        return NULL;
      at += 1 + digits;
    }
  if (parts < 2 || (*at != '\0' && *at != ' ' && *at != '\t'))
    return NULL;
  char *status = g_strndup (*text, (gsize) (at - *text));
  *text = at + strspn (at, " \t");
  return status;
}

static WeirVerdict
refuse (WeirContext *context, const char *text)
{
  g_autofree char *status = take_status (&text);
  gboolean later = status != NULL && *status == '4';

  return weir_reply (context, later ? 451 : 550, status != NULL ? status : "5.7.1", "%s",
                     *text != '\0' ? text : "message content rejected");
}

static void
end_with (Run *run, WeirVerdict verdict)
{
  run->verdict = verdict;
  run->ended = TRUE;
}

static void
act (Run *run, const WalkItem *item, const TableHit *hit)
{
  switch (hit->action->kind)
    {
    case ACTION_BCC:
      g_ptr_array_add (run->blind, g_strdup (hit->text));
      break;
    case ACTION_REDIRECT:
      g_free (run->redirect);
      run->redirect = g_strdup (hit->text);
      break;
    case ACTION_HOLD:
      if (run->hold == NULL)
        run->hold = g_strdup (*hit->text != '\0' ? hit->text : "a header or body check");
      break;
    case ACTION_DISCARD:
      end_with (run, WEIR_DISCARD);
      break;
    case ACTION_REJECT:
      end_with (run, refuse (run->context, hit->text));
      break;
    case ACTION_PASS:
      end_with (run, WEIR_PASS);
      break;
    case ACTION_IGNORE:
    case ACTION_STRIP:
      add_change (run, item, TRUE, NULL);
      break;
    case ACTION_PREPEND:
    case ACTION_REPLACE:
      change_line (run, item, hit);
      break;
    case ACTION_DUNNO:
    case ACTION_INFO:
    case ACTION_WARN:
      break;
    }
}

/* A text that goes into the message may have come from it: what a message says is not logged. */
static gboolean
may_be_logged (const TableHit *hit)
{
  return *hit->text != '\0' && hit->action->kind != ACTION_PREPEND
         && hit->action->kind != ACTION_REPLACE;
}

static void
tell (Run *run, const Table *table, const TableHit *hit)
{
  const char *name = action_name (hit->action->kind);
  const char *path = table_name (table);
  gboolean with_text = may_be_logged (hit);

  if (hit->action->kind == ACTION_DUNNO)
    return;
  if (hit->action->kind != ACTION_IGNORE)
    weir_log (run->context, "%s by %s, line %u%s%.200s", name, path, hit->line,
              with_text ? ": " : "", with_text ? hit->text : "");
  if (run->note->len < NOTE_SIZE)
    g_string_append_printf (run->note, "%s%s %s:%u", run->note->len > 0 ? ", " : "", name, path,
                            hit->line);
}

/* Returns TRUE when a rule has fitted: no other table is asked then. */
static gboolean
ask_table (Run *run, const Table *table, const WalkItem *item)
{
  TableHit hit = table_find (table, run->checks->matcher, item->text, item->length);

  if (hit.result == PATTERN_FAILED)
    {
      weir_fail (run->context, "%s, line %u: matching went over its limit", table_name (table),
                 hit.line);
      run->failed = TRUE;
    }
  if (hit.result == PATTERN_YES)
    {
      tidy (hit.text);
      tell (run, table, &hit);
      act (run, item, &hit);
    }
  g_free (hit.text);
  return hit.result != PATTERN_NO;
}

static gboolean
look_at (const WalkItem *item, gpointer data)
{
  Run *run = data;
  const GPtrArray *tables = run->checks->tables[item->kind];

  if (item->kind == WALK_BODY && item->offset >= run->checks->body_size)
    return TRUE;
  for (guint i = 0; i < tables->len; i++)
    if (ask_table (run, g_ptr_array_index (tables, i), item))
      break;
  return !run->ended && !run->failed;
}

/* ---- The walk ---- */

static gboolean
walk_fields (Run *run, Walk *walk)
{
  guint count = weir_header_count (run->context);

  for (guint i = 0; i < count; i++)
    if (!walk_field (walk, i, weir_header_name (run->context, i),
                     weir_header_raw (run->context, i)))
      return FALSE;
  return TRUE;
}

static char *
change_body (const char *body, gsize length, const GArray *lines, gsize *changed)
{
  GString *out = g_string_sized_new (length + 1);
  gsize at = 0;

  for (guint i = 0; i < lines->len; i++)
    {
      const Change *change = &g_array_index (lines, Change, i);

      g_string_append_len (out, body + at, (gssize) (change->start - at));
      if (change->text != NULL)
        g_string_append (out, change->text);
      at = change->goes ? change->end : change->start;
    }
  g_string_append_len (out, body + at, (gssize) (length - at));
  *changed = out->len;
  return g_string_free (out, FALSE);
}

static gboolean
walk_message (Run *run, Walk *walk, GError **error)
{
  gsize size;
  g_autofree char *bytes = common_message_read (run->context, &size);
  gsize body = 0;
  gsize changed;

  if (bytes == NULL)
    weir_fail (run->context, "the message can not be read");
  run->failed = bytes == NULL;
  if (run->failed || !walk_fields (run, walk))
    return TRUE;
  gboolean blank = common_message_find_body (bytes, size, &body);
  walk_body (walk, bytes + body, size - body, blank);
  if (walk_is_too_deep (walk))
    end_with (run,
              weir_reply (run->context, 550, "5.6.0", "MIME nesting exceeds the safety limit"));
  if (run->failed || run->lines->len == 0)
    return TRUE;
  g_autofree char *fresh = change_body (bytes + body, size - body, run->lines, &changed);
  return weir_body_replace (run->context, fresh, (gssize) changed, error);
}

/* ---- What comes of it ---- */

static gboolean
put_field (WeirContext *context, const Change *change, GError **error)
{
  gsize colon;
  gsize length = action_field_name (change->text, strlen (change->text), &colon);
  g_autofree char *name = g_strndup (change->text, length);
  const char *value = change->text + colon + 1;

  if (change->goes && g_ascii_strcasecmp (name, weir_header_name (context, change->field)) == 0)
    return weir_header_change (context, change->field, value, error);
  return weir_header_insert (context, change->field, name, value, error)
         && (!change->goes || weir_header_remove (context, change->field + 1, error));
}

/* Backwards, because what is behind an edit moves. */
static gboolean
change_fields (const Run *run, GError **error)
{
  for (guint i = run->fields->len; i > 0; i--)
    {
      const Change *change = &g_array_index (run->fields, Change, i - 1);

      if (!(change->text == NULL ? weir_header_remove (run->context, change->field, error)
                                 : put_field (run->context, change, error)))
        return FALSE;
    }
  return TRUE;
}

/* A redirection takes the place of all recipients, the blind ones among them. */
static gboolean
change_recipients (const Run *run, GError **error)
{
  if (run->redirect != NULL)
    return common_recipients_set (run->context, run->redirect, error);
  for (guint i = 0; i < run->blind->len; i++)
    if (!common_recipients_add_quietly (run->context, run->blind->pdata[i], error))
      return FALSE;
  return TRUE;
}

static WeirVerdict
conclude (Run *run)
{
  if (run->ended && run->verdict != WEIR_PASS)
    return run->verdict;
  if (run->hold != NULL)
    return weir_quarantine (run->context, "%s", run->hold);
  return run->ended ? WEIR_SKIP : WEIR_PASS;
}

WeirVerdict
checks_run (const Checks *checks, WeirContext *context, gboolean with_body)
{
  Run run = { .checks = checks, .context = context, .verdict = WEIR_PASS };
  Walk *walk = walk_new (checks->header_size, look_at, &run);
  g_autoptr (GError) error = NULL;
  gboolean edited = TRUE;

  run.fields = g_array_new (FALSE, FALSE, sizeof (Change));
  run.lines = g_array_new (FALSE, FALSE, sizeof (Change));
  g_array_set_clear_func (run.fields, clear_change);
  g_array_set_clear_func (run.lines, clear_change);
  run.blind = g_ptr_array_new_with_free_func (g_free);
  run.note = g_string_new (NULL);
  if (with_body)
    edited = walk_message (&run, walk, &error);
  else
    walk_fields (&run, walk);
  if (!run.failed && edited)
    edited = change_fields (&run, &error) && change_recipients (&run, &error);
  if (!edited)
    weir_fail (context, "can not edit: %s", error->message);
  if (run.note->len > 0)
    weir_set_note (context, "header-checks", "%s", run.note->str);
  WeirVerdict verdict = run.failed || !edited ? WEIR_PASS : conclude (&run);
  walk_free (walk);
  g_array_unref (run.fields);
  g_array_unref (run.lines);
  g_ptr_array_unref (run.blind);
  g_string_free (run.note, TRUE);
  g_free (run.redirect);
  g_free (run.hold);
  return verdict;
}
