/* See content.h. The milter is shown what earlier filters left, without our own Received, which the
 * gateway writes when the filters are through. */
#include "content.h"

#include <string.h>

static const char too_long[] = "552 5.3.4 A header field is too long to be checked";

static gboolean
goes_on (const Answer *answer)
{
  return answer->kind == ANSWER_CONTINUE;
}

/* ---- Telling ---- */

/* A field's value as the protocol has it: folds are LF, and a space behind the colon is left out
 * unless the milter wants it. */
static char *
value_of (const char *raw, gboolean exact)
{
  GString *value = g_string_sized_new (strlen (raw));

  for (raw += !exact && *raw == ' '; *raw != '\0'; raw++)
    if (*raw != '\r' || raw[1] != '\n')
      g_string_append_c (value, *raw);
  return g_string_free (value, FALSE);
}

static gboolean
send_field (Link *link, guint index, Answer *answer, GError **error)
{
  gboolean exact = (link->state->terms.steps & TERMS_LEADING_SPACE) != 0;
  const char *name = weir_header_name (link->context, index);
  g_autofree char *value = value_of (weir_header_raw (link->context, index), exact);
  const char *const strings[] = { name, value, NULL };

  if (strlen (name) + strlen (value) + 2 <= PACKET_MAX_DATA)
    return link_send_strings (link, EVENT_HEADER, strings, answer, error);
  link->event = EVENT_HEADER;
  *answer = (Answer){ .kind = ANSWER_REPLY, .text = too_long };
  return TRUE;
}

static gboolean
send_header (Link *link, Answer *answer, GError **error)
{
  guint count = link_wants (link, EVENT_HEADER) ? weir_header_count (link->context) : 0;

  for (guint i = 0; i < count; i++)
    {
      if (!send_field (link, i, answer, error))
        return FALSE;
      if (answer->kind == ANSWER_SKIP)
        break;
      if (!goes_on (answer))
        return TRUE;
    }
  return link_send (link, EVENT_END_OF_HEADERS, NULL, 0, answer, error);
}

static gboolean
send_body (Link *link, Answer *answer, GError **error)
{
  guint64 size = weir_message_size (link->context);
  guint64 at = size - MIN (link->state->body, size);
  gsize room = terms_data_size (&link->state->terms);
  g_autofree guint8 *buffer = g_malloc (room);

  while (at < size && link_wants (link, EVENT_BODY) && goes_on (answer))
    {
      gssize got = weir_message_read (link->context, at, buffer, room);

      if (got <= 0)
        {
          g_set_error_literal (error, G_FILE_ERROR, G_FILE_ERROR_IO, "the message can not be read");
          return FALSE;
        }
      if (!link_send (link, EVENT_BODY, buffer, (gsize) got, answer, error))
        return FALSE;
      at += (guint64) got;
    }
  return TRUE;
}

static gboolean
send_end (Link *link, Changes *changes, Answer *answer, GError **error)
{
  if (!link_send (link, EVENT_END, NULL, 0, answer, error))
    return FALSE;
  while (ANSWER_IS_CHANGE (answer->kind))
    {
      if (!changes_take (changes, answer, error))
        {
          g_prefix_error (error, "milter at %s makes ", link->config->address);
          return FALSE;
        }
      if (!link_hear (link, answer, error))
        return FALSE;
    }
  return TRUE;
}

gboolean
content_send (Link *link, Changes *changes, Answer *answer, GError **error)
{
  if (!send_header (link, answer, error))
    return FALSE;
  if (answer->kind == ANSWER_SKIP)
    answer->kind = ANSWER_CONTINUE;
  if (goes_on (answer) && !send_body (link, answer, error))
    return FALSE;
  if (!goes_on (answer) && answer->kind != ANSWER_SKIP)
    return TRUE;
  return send_end (link, changes, answer, error);
}

/* ---- Changing ---- */

/* The name is the milter's too, in its upper and lower case. */
static gboolean
change_at (WeirContext *context, guint index, const Change *change, const char *value,
           GError **error)
{
  if (strcmp (weir_header_name (context, index), change->name) == 0)
    return weir_header_change_raw (context, index, value, error);
  return weir_header_remove (context, index, error)
         && weir_header_insert_raw (context, index, change->name, value, error);
}

static gboolean
change_field (WeirContext *context, const Change *change, const char *value, guint *received,
              GError **error)
{
  guint index = weir_header_find (context, change->name, MAX (change->index, 1) - 1);

  if (*change->text != '\0')
    return index == WEIR_NO_HEADER
               ? weir_header_insert_raw (context, G_MAXUINT, change->name, value, error)
               : change_at (context, index, change, value, error);
  if (index == WEIR_NO_HEADER)
    return TRUE;
  *received -= index < *received;
  return weir_header_remove (context, index, error);
}

static gboolean
apply_to_header (WeirContext *context, const Changes *changes, gboolean exact, GError **error)
{
  guint received = 0;
  gboolean fine = TRUE;

  for (guint i = 0; fine && i < changes->list->len; i++)
    {
      const Change *change = changes->list->pdata[i];
      g_autofree char *value = changes_value (change->text == NULL ? "" : change->text, exact);

      if (change->kind == ANSWER_ADD_HEADER)
        fine = weir_header_insert_raw (context, G_MAXUINT, change->name, value, error);
      else if (change->kind == ANSWER_INSERT_HEADER)
        fine = weir_header_insert_raw (
            context, changes_place (change->index, weir_header_count (context), &received),
            change->name, value, error);
      else if (change->kind == ANSWER_CHANGE_HEADER)
        fine = change_field (context, change, value, &received, error);
    }
  return fine;
}

static gboolean
apply_to_sender (WeirContext *context, const Changes *changes, GError **error)
{
  const Change *last = NULL;
  g_auto (GStrv) parameters = NULL;

  for (guint i = 0; i < changes->list->len; i++)
    {
      const Change *change = changes->list->pdata[i];

      last = change->kind == ANSWER_CHANGE_SENDER ? change : last;
    }
  if (last == NULL)
    return TRUE;
  parameters = changes_merge (weir_sender_parameters (context), last->text);
  return weir_set_sender (context, last->name, (const char *const *) parameters, error);
}

/* Adding first: there is always somebody left then. */
static gboolean
edit_recipients (WeirContext *context, const ChangesRecipients *todo, GError **error)
{
  for (guint i = 0; i < todo->add->len; i++)
    {
      const Change *change = todo->add->pdata[i];
      g_auto (GStrv) parameters = changes_parameters (change->text);

      if (!weir_add_recipient (context, change->name, (const char *const *) parameters, error))
        return FALSE;
    }
  for (guint i = 0; i < todo->remove->len; i++)
    if (!weir_remove_recipient (context, todo->remove->pdata[i], error))
      return FALSE;
  return TRUE;
}

static gboolean
apply_to_recipients (WeirContext *context, const Changes *changes, gboolean *nobody, GError **error)
{
  g_autoptr (GPtrArray) now = g_ptr_array_new ();
  ChangesRecipients todo = { 0 };
  gboolean fine = TRUE;

  for (guint i = 0; i < weir_recipient_count (context); i++)
    g_ptr_array_add (now, (gpointer) weir_recipient (context, i));
  g_ptr_array_add (now, NULL);
  changes_recipients (changes, (const char *const *) now->pdata, &todo);
  *nobody = todo.none_left;
  if (!todo.none_left)
    fine = edit_recipients (context, &todo, error);
  changes_recipients_clear (&todo);
  return fine;
}

gboolean
content_apply (WeirContext *context, const Changes *changes, gboolean exact, gboolean *nobody,
               GError **error)
{
  const GByteArray *body = changes->body;

  if (!apply_to_header (context, changes, exact, error)
      || !apply_to_sender (context, changes, error)
      || !apply_to_recipients (context, changes, nobody, error))
    return FALSE;
  return body == NULL
         || weir_body_replace (context, body->len == 0 ? "" : (const char *) body->data,
                               (gssize) body->len, error);
}
