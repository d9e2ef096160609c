/* Reads tables and looks lines up in them. Every error of a table names its file, line and column;
 * what Postfix would warn about and skip is an error here, so that no rule is lost unseen. */
#include "table.h"

#include <string.h>

typedef enum
{
  RULE_MATCH,
  RULE_IF,
  RULE_ENDIF
} RuleKind;

typedef struct
{
  Pattern *pattern; /* NULL: there is none */
  gboolean negated;
} Condition;

typedef struct
{
  RuleKind kind;
  guint line;
  Condition first;
  Condition second; /* POSIX: /this/!/but not this/ */
  Action action;
  guint endif; /* of an IF: the index of its ENDIF */
} Rule;

struct _Table
{
  char *name;
  GArray *rules; /* of Rule */
};

/* A logical line: several lines of the file. */
typedef struct
{
  gsize at; /* of the logical line, from here on: */
  guint line;
  guint column;
} Segment;

typedef struct
{
  const char *name;
  PatternKind kind;
  gboolean body;
  GString *text;
  GArray *segments; /* of Segment */
  GArray *open;     /* of guint: indexes of IF rules */
  Table *table;
  GPtrArray *problems; /* the caller's */
  guint wrong;         /* problems, told or not */
  gboolean spoilt;     /* the logical line can not be read */
} Reader;

static gboolean
fail (const Reader *reader, gsize at, GError **error, const char *message)
{
  Segment place = { 0, 1, 1 };

  for (guint i = 0; i < reader->segments->len; i++)
    if (g_array_index (reader->segments, Segment, i).at <= at)
      place = g_array_index (reader->segments, Segment, i);
  g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_INVAL, "%s:%u:%u: %s", reader->name, place.line,
               place.column + (guint) (at - place.at), message);
  return FALSE;
}

/* Takes over the error: reading goes on behind it. */
static void
report (Reader *reader, GError *error)
{
  if (reader->wrong++ < TABLE_MAX_PROBLEMS)
    g_ptr_array_add (reader->problems, g_strdup (error->message));
  g_error_free (error);
}

static gboolean
fail_with (const Reader *reader, gsize at, GError **error, GError *cause)
{
  fail (reader, at, error, cause->message);
  g_error_free (cause);
  return FALSE;
}

static gsize
skip_space (const Reader *reader, gsize at)
{
  while (g_ascii_isspace (reader->text->str[at]))
    at++;
  return at;
}

/* ---- Conditions: !/pattern/flags ---- */

/* Where the pattern that begins behind the delimiter at `at` ends. FALSE: nowhere. */
static gboolean
find_delimiter (const Reader *reader, gsize at, gsize *end)
{
  const char *text = reader->text->str;
  char delimiter = text[at];

  for (*end = at + 1; text[*end] != '\0' && text[*end] != delimiter; (*end)++)
    if (text[*end] == '\\' && text[*end + 1] != '\0')
      (*end)++;
  return text[*end] != '\0';
}

/* `*at` moves behind it. */
static gboolean
read_condition (Reader *reader, gsize *at, Condition *condition, GError **error)
{
  const char *text = reader->text->str;
  GError *problem = NULL;
  gsize offset;
  gsize start;
  gsize end;

  for (; text[*at] == '!' || g_ascii_isspace (text[*at]); (*at)++)
    condition->negated ^= text[*at] == '!';
  start = *at;
  if (text[start] == '\0')
    return fail (reader, start, error, "there is no pattern");
  if (g_ascii_isalnum (text[start]) || text[start] == '\\')
    return fail (reader, start, error, "a pattern stands between slashes: /pattern/");
  if (!find_delimiter (reader, start, &end))
    return fail (reader, start, error, "the pattern has no end");
  for (*at = end + 1; text[*at] != '\0' && !g_ascii_isspace (text[*at]); (*at)++)
    {
      if (text[*at] == '!' && reader->kind == PATTERN_REGEXP)
        break;
      if (strchr (pattern_flags (reader->kind), text[*at]) == NULL)
        return fail (reader, *at, error,
                     reader->kind == PATTERN_PCRE ? "no flag: there are i, m, s, x, A, E, U, X"
                                                  : "no flag: there are i, m, x");
    }
  g_autofree char *flags = g_strndup (text + end + 1, *at - end - 1);
  condition->pattern
      = pattern_new (reader->kind, text + start + 1, end - start - 1, flags, &offset, &problem);
  return condition->pattern != NULL || fail_with (reader, start + 1 + offset, error, problem);
}

/* ---- Rules ---- */

static gboolean
read_action (Reader *reader, gsize at, Rule *rule, GError **error)
{
  GError *problem = NULL;
  gsize offset;

  if (!action_init (&rule->action, reader->text->str + at, reader->body, &offset, &problem))
    return fail_with (reader, at + offset, error, problem);
  if (rule->action.groups > 0 && rule->first.negated)
    return fail (reader, at, error, "$number has no meaning where the pattern does not match");
  if (rule->action.groups > pattern_groups (rule->first.pattern))
    return fail (reader, at, error, "$number is higher than the pattern has groups");
  return TRUE;
}

static gboolean
read_match (Reader *reader, Rule *rule, GError **error)
{
  gsize at = 0;

  rule->kind = RULE_MATCH;
  return read_condition (reader, &at, &rule->first, error)
         && (reader->text->str[at] != '!' || read_condition (reader, &at, &rule->second, error))
         && read_action (reader, skip_space (reader, at), rule, error);
}

static gboolean
read_if (Reader *reader, Rule *rule, GError **error)
{
  gsize at = skip_space (reader, strlen ("if"));
  guint index = reader->table->rules->len;

  rule->kind = RULE_IF;
  g_array_append_val (reader->open, index); /* also if it is wrong: its ENDIF is not */
  if (reader->open->len > TABLE_MAX_DEPTH)
    return fail (reader, 0, error, "IF stands in too many others");
  if (!read_condition (reader, &at, &rule->first, error))
    return FALSE;
  at = skip_space (reader, at);
  if (reader->text->str[at] != '\0')
    return fail (reader, at, error,
                 "nothing may stand behind the pattern of an IF, and no space ahead of the rules "
                 "in it");
  return TRUE;
}

/* What stands behind ENDIF is ignored, as Postfix does. */
static gboolean
read_endif (Reader *reader, Rule *rule, GError **error)
{
  guint opened;

  rule->kind = RULE_ENDIF;
  if (reader->open->len == 0)
    return fail (reader, 0, error, "ENDIF without IF");
  opened = g_array_index (reader->open, guint, reader->open->len - 1);
  g_array_index (reader->table->rules, Rule, opened).endif = reader->table->rules->len;
  g_array_set_size (reader->open, reader->open->len - 1);
  return TRUE;
}

static gboolean
is_word (const char *text, const char *word)
{
  gsize length = strlen (word);

  return g_ascii_strncasecmp (text, word, length) == 0 && !g_ascii_isalnum (text[length]);
}

static void
clear_rule (gpointer data)
{
  Rule *rule = data;

  pattern_free (rule->first.pattern);
  pattern_free (rule->second.pattern);
  action_clear (&rule->action);
}

static void
read_rule (Reader *reader)
{
  const char *text = reader->text->str;
  Rule rule = { .line = g_array_index (reader->segments, Segment, 0).line };
  GError *error = NULL;
  gboolean fine;

  if (is_word (text, "if"))
    fine = read_if (reader, &rule, &error);
  else if (is_word (text, "endif"))
    fine = read_endif (reader, &rule, &error);
  else
    fine = read_match (reader, &rule, &error);
  if (!fine)
    report (reader, error);
  g_array_append_val (reader->table->rules, rule);
}

/* ---- Logical lines ---- */

static void
end_logical (Reader *reader)
{
  gsize length = reader->text->len;

  while (length > 0 && g_ascii_isspace (reader->text->str[length - 1]))
    length--;
  g_string_truncate (reader->text, length);
  if (length > 0 && !reader->spoilt)
    read_rule (reader);
  g_string_truncate (reader->text, 0);
  g_array_set_size (reader->segments, 0);
  reader->spoilt = FALSE;
}

/* What is wrong with the whole line that `place` begins. */
static void
spoil (Reader *reader, Segment place, const char *message)
{
  GError *error = NULL;

  g_array_append_val (reader->segments, place);
  fail (reader, place.at, &error, message);
  report (reader, error);
  reader->spoilt = TRUE;
}

static void
add_line (Reader *reader, const char *line, gsize length, guint number)
{
  Segment segment = { 0, number, 1 };
  gsize blank = 0;

  while (blank < length && g_ascii_isspace (line[blank]))
    blank++;
  if (blank == length || line[blank] == '#')
    return;
  if (blank == 0)
    end_logical (reader);
  segment.at = reader->text->len;
  if (blank > 0 && segment.at == 0 && !reader->spoilt)
    spoil (reader, segment, "the first line begins with a space: it would go on with none");
  else if (memchr (line, '\0', length) != NULL)
    spoil (reader, segment, "there is a NUL in the line");
  else
    {
      g_array_append_val (reader->segments, segment);
      g_string_append_len (reader->text, line, (gssize) length);
    }
}

static void
read_lines (Reader *reader, const char *text, gsize length)
{
  guint number = 1;

  for (gsize at = 0; at < length; number++)
    {
      const char *lf = memchr (text + at, '\n', length - at);
      gsize end = lf == NULL ? length : (gsize) (lf - text);

      add_line (reader, text + at, end - at, number);
      at = end + 1;
    }
  end_logical (reader);
  for (guint i = 0; i < reader->open->len; i++)
    {
      guint index = g_array_index (reader->open, guint, i);
      const Segment segment = { 0, g_array_index (reader->table->rules, Rule, index).line, 1 };

      spoil (reader, segment, "IF without ENDIF");
      g_array_set_size (reader->segments, 0);
    }
  if (reader->wrong > TABLE_MAX_PROBLEMS)
    g_ptr_array_add (reader->problems, g_strdup_printf ("%s: %u more errors", reader->name,
                                                        reader->wrong - TABLE_MAX_PROBLEMS));
}

Table *
table_new (const char *name, const char *text, gsize length, PatternKind kind, gboolean body,
           GPtrArray *problems)
{
  Reader reader = { .name = name, .kind = kind, .body = body, .problems = problems };
  Table *table = g_new0 (Table, 1);

  table->name = g_strdup (name);
  table->rules = g_array_new (FALSE, FALSE, sizeof (Rule));
  g_array_set_clear_func (table->rules, clear_rule);
  reader.table = table;
  reader.text = g_string_new (NULL);
  reader.segments = g_array_new (FALSE, FALSE, sizeof (Segment));
  reader.open = g_array_new (FALSE, FALSE, sizeof (guint));
  read_lines (&reader, text, length);
  g_string_free (reader.text, TRUE);
  g_array_unref (reader.segments);
  g_array_unref (reader.open);
  if (reader.wrong > 0)
    g_clear_pointer (&table, table_free);
  return table;
}

void
table_free (Table *table)
{
  if (table == NULL)
    return;
  g_array_unref (table->rules);
  g_free (table->name);
  g_free (table);
}

guint
table_count (const Table *table)
{
  return table->rules->len;
}

const char *
table_name (const Table *table)
{
  return table->name;
}

/* ---- Looking up ---- */

static PatternResult
ask (const Condition *condition, PatternMatcher *matcher, const char *subject, gsize length,
     guint groups, PatternMatch *match)
{
  PatternResult result;

  if (condition->pattern == NULL)
    return PATTERN_YES;
  result = pattern_match (condition->pattern, matcher, subject, length, groups, match);
  if (result == PATTERN_FAILED || !condition->negated)
    return result;
  return result == PATTERN_YES ? PATTERN_NO : PATTERN_YES;
}

static PatternResult
ask_rule (const Rule *rule, PatternMatcher *matcher, const char *subject, gsize length,
          PatternMatch *match)
{
  PatternResult result = ask (&rule->first, matcher, subject, length, rule->action.groups, match);

  return result == PATTERN_YES ? ask (&rule->second, matcher, subject, length, 0, NULL) : result;
}

TableHit
table_find (const Table *table, PatternMatcher *matcher, const char *subject, gsize length)
{
  TableHit hit = { PATTERN_NO };
  PatternMatch match;

  for (guint i = 0; length > 0 && i < table->rules->len; i++)
    {
      const Rule *rule = &g_array_index (table->rules, Rule, i);

      if (rule->kind == RULE_ENDIF)
        continue;
      hit.result = ask_rule (rule, matcher, subject, length, &match);
      hit.line = rule->line;
      if (hit.result == PATTERN_FAILED)
        return hit;
      if (rule->kind == RULE_IF && hit.result == PATTERN_NO)
        i = rule->endif;
      if (rule->kind == RULE_IF || hit.result == PATTERN_NO)
        continue;
      hit.action = &rule->action;
      hit.text = action_text (&rule->action, subject, &match);
      return hit;
    }
  hit.result = PATTERN_NO;
  return hit;
}
