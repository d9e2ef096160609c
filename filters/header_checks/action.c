/* Reads actions and their $number texts. Fails with the place of what it can not read. */
#include "action.h"

#include <string.h>

typedef struct
{
  char *literal; /* NULL: the group */
  guint group;
} Piece;

typedef enum
{
  TEXT_NONE,    /* whatever stands there is ignored, as Postfix does */
  TEXT_ANY,     /* may be there */
  TEXT_LINE,    /* must be there; in a header a field */
  TEXT_ADDRESS, /* must be there */
  TEXT_STATUS,  /* may be there, and begin with an enhanced status code */
} Wanted;

typedef struct
{
  const char *name;
  ActionKind kind;
  Wanted wanted;
} Word;

static const Word words[] = {
  { "BCC", ACTION_BCC, TEXT_ADDRESS },
  { "DISCARD", ACTION_DISCARD, TEXT_ANY },
  { "DUNNO", ACTION_DUNNO, TEXT_NONE },
  { "HOLD", ACTION_HOLD, TEXT_ANY },
  { "IGNORE", ACTION_IGNORE, TEXT_NONE },
  { "INFO", ACTION_INFO, TEXT_ANY },
  { "PASS", ACTION_PASS, TEXT_ANY },
  { "PREPEND", ACTION_PREPEND, TEXT_LINE },
  { "REDIRECT", ACTION_REDIRECT, TEXT_ADDRESS },
  { "REJECT", ACTION_REJECT, TEXT_STATUS },
  { "REPLACE", ACTION_REPLACE, TEXT_LINE },
  { "STRIP", ACTION_STRIP, TEXT_ANY },
  { "WARN", ACTION_WARN, TEXT_ANY },
  { "OK", ACTION_DUNNO, TEXT_NONE },
};

/* What Postfix has and a proxy has not, and why. */
static const struct
{
  const char *name;
  const char *why;
} impossible[] = {
  { "FILTER", "there is no content_filter here: name the filters of the listener, or a route" },
  { "DELAY", "there is no queue here in which a message could wait" },
};

static gboolean fail (GError **error, const char *format, ...) G_GNUC_PRINTF (2, 3);

static gboolean
fail (GError **error, const char *format, ...)
{
  g_autofree char *text = NULL;
  va_list arguments;

  va_start (arguments, format);
  text = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  g_set_error_literal (error, G_FILE_ERROR, G_FILE_ERROR_INVAL, text);
  return FALSE;
}

const char *
action_name (ActionKind kind)
{
  return words[kind].name;
}

gsize
action_field_name (const char *line, gsize length, gsize *colon)
{
  gsize name = 0;
  gsize at;

  while (name < length && g_ascii_isgraph (line[name]) && line[name] != ':')
    name++;
  for (at = name; at < length && (line[at] == ' ' || line[at] == '\t');)
    at++;
  *colon = at;
  return at < length && line[at] == ':' ? name : 0;
}

/* ---- $number ---- */

static void
clear_piece (gpointer data)
{
  g_free (((Piece *) data)->literal);
}

static void
add_literal (Action *action, GString *literal)
{
  const Piece piece = { g_strndup (literal->str, literal->len), 0 };

  if (literal->len > 0)
    g_array_append_val (action->pieces, piece);
  else
    g_free (piece.literal);
  g_string_truncate (literal, 0);
}

/* Behind the "$" of "$1", "${1}", "$(1)". Returns how many characters it has; 0 sets `error`. */
static gsize
read_number (const char *text, guint *number, GError **error)
{
  char closing = *text == '{' ? '}' : *text == '(' ? ')' : '\0';
  const char *start = closing == '\0' ? text : text + 1;
  const char *end = start;
  guint64 value;

  while (g_ascii_isalnum (*end) || *end == '_')
    end++;
  g_autofree char *name = g_strndup (start, (gsize) (end - start));
  if (closing != '\0' && *end != closing)
    return fail (error, "the name in \"$%.40s\" is not closed", text);
  if (!g_ascii_string_to_unsigned (name, 10, 1, PATTERN_MAX_GROUPS, &value, NULL))
    return fail (error, "\"$%.40s\" is no number of a group; a \"$\" itself is written \"$$\"",
                 name);
  *number = (guint) value;
  return (gsize) (end - text) + (closing != '\0' ? 1 : 0);
}

static gboolean
read_text (Action *action, const char *text, gsize *offset, GError **error)
{
  g_autoptr (GString) literal = g_string_new (NULL);

  for (gsize at = 0; text[at] != '\0';)
    {
      Piece piece = { NULL, 0 };
      gsize used;

      if (text[at] != '$' || text[at + 1] == '$')
        {
          g_string_append_c (literal, text[at]);
          at += text[at] == '$' ? 2 : 1;
          continue;
        }
      used = read_number (text + at + 1, &piece.group, error);
      if (used == 0)
        {
          *offset += at;
          return FALSE;
        }
      add_literal (action, literal);
      g_array_append_val (action->pieces, piece);
      action->groups = MAX (action->groups, piece.group);
      at += 1 + used;
    }
  add_literal (action, literal);
  return TRUE;
}

char *
action_text (const Action *action, const char *subject, const PatternMatch *match)
{
  GString *text = g_string_new (NULL);

  for (guint i = 0; i < action->pieces->len; i++)
    {
      const Piece *piece = &g_array_index (action->pieces, Piece, i);
      const gsize *span = match->spans + 2 * piece->group;

      if (piece->literal != NULL)
        g_string_append (text, piece->literal);
      else if (span[0] != G_MAXSIZE)
        g_string_append_len (text, subject + span[0], (gssize) (span[1] - span[0]));
    }
  return g_string_free (text, FALSE);
}

/* ---- The word, and what must stand behind it ---- */

static const Word *
find_word (const char *text, gsize length, GError **error)
{
  g_autofree char *name = g_ascii_strup (text, (gssize) length);

  for (guint i = 0; i < G_N_ELEMENTS (words); i++)
    if (strcmp (words[i].name, name) == 0)
      return &words[i];
  for (guint i = 0; i < G_N_ELEMENTS (impossible); i++)
    if (strcmp (impossible[i].name, name) == 0)
      {
        fail (error, "%s can not be done: %s", name, impossible[i].why);
        return NULL;
      }
  if (length == 0)
    fail (error, "there is no action");
  else
    fail (error, "\"%.40s\" is no action", name);
  return NULL;
}

/* "2.1.0 text": only refusals can be given. */
static gboolean
check_status (const char *text, GError **error)
{
  gboolean looks_like_one = g_ascii_isdigit (text[0]) && text[1] == '.' && g_ascii_isdigit (text[2])
                            && strchr (text + 2, '.') != NULL;

  if (looks_like_one && *text != '4' && *text != '5')
    return fail (error, "a refusal's status begins with 4 or 5: \"%.40s\"", text);
  return TRUE;
}

static gboolean
check_text (const Word *word, const char *text, gboolean body, GError **error)
{
  gsize colon;

  switch (word->wanted)
    {
    case TEXT_NONE:
    case TEXT_ANY:
      return TRUE;
    case TEXT_STATUS:
      return check_status (text, error);
    case TEXT_LINE:
      if (*text == '\0')
        return fail (error, "%s needs a text", word->name);
      /* "$1: x" may become one. */
      if (!body && strchr (text, '$') == NULL
          && action_field_name (text, strlen (text), &colon) == 0)
        return fail (error, "\"%.40s\" is no header field: write \"Name: value\"", text);
      return TRUE;
    case TEXT_ADDRESS:
      if (strchr (text, '@') == NULL && strchr (text, '$') == NULL)
        return fail (error, "\"%.40s\" is no address: write user@domain", text);
      return TRUE;
    }
  g_assert_not_reached ();
}

gboolean
action_init (Action *action, const char *text, gboolean body, gsize *offset, GError **error)
{
  gsize length = strcspn (text, " \t");
  const char *rest = text + length + strspn (text + length, " \t");
  const Word *word = find_word (text, length, error);

  *action = (Action){ .kind = ACTION_DUNNO };
  action->pieces = g_array_new (FALSE, FALSE, sizeof (Piece));
  g_array_set_clear_func (action->pieces, clear_piece);
  *offset = 0;
  if (word == NULL)
    return FALSE;
  *offset = (gsize) (rest - text);
  action->kind = word->kind;
  return check_text (word, rest, body, error) && read_text (action, rest, offset, error);
}

void
action_clear (Action *action)
{
  g_clear_pointer (&action->pieces, g_array_unref);
}
