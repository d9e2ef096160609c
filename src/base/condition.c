/* Conditions of `only-if`: parsed once with the configuration, held against a session's facts by
 * the chain. Fails only while parsing. */
#include "base/condition.h"

#include <string.h>

#include "base/address.h"

static const gchar *const kinds[] = { "listener", "client", "user", "sender", "recipient", "note" };

/* ---- Patterns ---- */

/* Goes back to the last star alone, so that no text takes longer than its length times the
 * pattern's. */
gboolean
base_pattern_matches (const gchar *pattern, const gchar *text)
{
  const gchar *star = NULL, *behind = NULL;

  while (*text != '\0')
    {
      if (*pattern == '*')
        {
          star = ++pattern;
          behind = text;
        }
      else if (*pattern == '?' || g_ascii_tolower (*pattern) == g_ascii_tolower (*text))
        {
          pattern++;
          text++;
        }
      else if (star != NULL)
        {
          pattern = star;
          text = ++behind;
        }
      else
        return FALSE;
    }
  return pattern[strspn (pattern, "*")] == '\0';
}

/* ---- Parsing ---- */

/* FALSE, so that a check can say `return fail (…)`. */
static gboolean G_GNUC_PRINTF (2, 3) fail (GError **error, const gchar *format, ...)
{
  g_autofree gchar *text = NULL;
  va_list arguments;

  va_start (arguments, format);
  text = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  g_set_error_literal (error, G_FILE_ERROR, G_FILE_ERROR_INVAL, text);
  return FALSE;
}

static gboolean
check_address_pattern (BaseConditionKind kind, const gchar *pattern, GError **error)
{
  if (strchr (pattern, '@') != NULL || strcmp (pattern, "*") == 0)
    return TRUE;
  if (kind == BASE_CONDITION_SENDER && strcmp (pattern, "<>") == 0)
    return TRUE;
  if (kind == BASE_CONDITION_RECIPIENT && g_ascii_strcasecmp (pattern, "postmaster") == 0)
    return TRUE;
  return fail (error, "\"%s\" has no \"@\"; a whole domain is \"*@example.org\"", pattern);
}

static gboolean
check_pattern (BaseCondition *condition, const gchar *pattern, GError **error)
{
  BaseNetwork network;

  switch (condition->kind)
    {
    case BASE_CONDITION_CLIENT:
      if (!base_network_parse (pattern, &network, error))
        return FALSE;
      g_array_append_val (condition->networks, network);
      return TRUE;
    case BASE_CONDITION_SENDER:
    case BASE_CONDITION_RECIPIENT:
      return check_address_pattern (condition->kind, pattern, error);
    case BASE_CONDITION_NOTE:
      return *pattern != '=' || fail (error, "\"%s\" has no name before \"=\"", pattern);
    case BASE_CONDITION_LISTENER:
    case BASE_CONDITION_USER:
      return TRUE;
    }
  return TRUE;
}

static gboolean
find_kind (const gchar *word, BaseConditionKind *kind, GError **error)
{
  for (guint i = 0; i < G_N_ELEMENTS (kinds); i++)
    if (strcmp (word, kinds[i]) == 0)
      {
        *kind = (BaseConditionKind) i;
        return TRUE;
      }
  return fail (error,
               "\"%s\" is nothing that can be asked; there are listener, client, user, sender, "
               "recipient and note",
               word);
}

/* The words of `text`, none of them empty. Caller frees. */
static gchar **
split (const gchar *text)
{
  GPtrArray *words = g_ptr_array_new ();

  for (text += strspn (text, " \t"); *text != '\0'; text += strspn (text, " \t"))
    {
      gsize length = strcspn (text, " \t");

      g_ptr_array_add (words, g_strndup (text, length));
      text += length;
    }
  g_ptr_array_add (words, NULL);
  return (gchar **) g_ptr_array_free (words, FALSE);
}

BaseCondition *
base_condition_parse (const gchar *text, GError **error)
{
  g_autoptr (BaseCondition) condition = g_new0 (BaseCondition, 1);
  g_auto (GStrv) words = split (text);
  guint at = 0;

  if (strlen (text) > BASE_CONDITION_LENGTH)
    {
      fail (error, "a condition is longer than %d octets", BASE_CONDITION_LENGTH);
      return NULL;
    }
  condition->negated = words[0] != NULL && strcmp (words[0], "not") == 0;
  at = condition->negated ? 1 : 0;
  if (words[at] == NULL)
    {
      fail (error, "\"%s\" asks for nothing", text);
      return NULL;
    }
  if (!find_kind (words[at++], &condition->kind, error))
    return NULL;
  if (words[at] == NULL)
    {
      fail (error, "\"%s\" has no pattern", text);
      return NULL;
    }
  if (condition->kind == BASE_CONDITION_CLIENT)
    condition->networks = g_array_new (FALSE, FALSE, sizeof (BaseNetwork));
  condition->patterns = g_strdupv (words + at);
  for (; words[at] != NULL; at++)
    if (!check_pattern (condition, words[at], error))
      return NULL;
  return g_steal_pointer (&condition);
}

void
base_condition_free (BaseCondition *condition)
{
  if (condition == NULL)
    return;
  g_strfreev (condition->patterns);
  g_clear_pointer (&condition->networks, g_array_unref);
  g_free (condition);
}

/* ---- Holding ---- */

static gboolean
fits_text (const BaseCondition *condition, const gchar *text)
{
  for (gchar **pattern = condition->patterns; text != NULL && *pattern != NULL; pattern++)
    if (base_pattern_matches (*pattern, text))
      return TRUE;
  return FALSE;
}

/* Quotes and backslashes are no part of a local part (RFC 5321 section 4.1.2): "info"@example.org
 * is info@example.org, for the server that has the mailbox too. Caller frees. */
static gchar *
without_quotes (const gchar *address)
{
  const gchar *domain = base_address_domain (address);
  const gchar *end = domain == NULL ? address + strlen (address) : domain - 1;
  GString *plain = g_string_new (NULL);

  for (const gchar *p = address; p < end; p++)
    {
      if (*p == '\\' && p + 1 < end)
        p++;
      else if (*p == '"')
        continue;
      g_string_append_c (plain, *p);
    }
  g_string_append (plain, end);
  return g_string_free (plain, FALSE);
}

static gboolean
fits_address (const BaseCondition *condition, const gchar *address)
{
  g_autofree gchar *plain = address == NULL ? NULL : without_quotes (address);

  return fits_text (condition, address) || fits_text (condition, plain);
}

static gboolean
fits_client (const BaseCondition *condition, const BaseEndpoint *client)
{
  for (guint i = 0; client != NULL && i < condition->networks->len; i++)
    if (base_network_contains (&g_array_index (condition->networks, BaseNetwork, i), client))
      return TRUE;
  return FALSE;
}

static gboolean
fits_note (const BaseCondition *condition, const BaseFacts *facts)
{
  for (gchar **pattern = condition->patterns; facts->note != NULL && *pattern != NULL; pattern++)
    {
      const gchar *equals = strchr (*pattern, '=');
      g_autofree gchar *name = equals == NULL ? g_strdup (*pattern)
                                              : g_strndup (*pattern, (gsize) (equals - *pattern));
      const gchar *value = facts->note (facts->notes, name);

      if (value != NULL && (equals == NULL || base_pattern_matches (equals + 1, value)))
        return TRUE;
    }
  return FALSE;
}

static gboolean
fits (const BaseCondition *condition, const BaseFacts *facts)
{
  switch (condition->kind)
    {
    case BASE_CONDITION_LISTENER:
      return fits_text (condition, facts->listener);
    case BASE_CONDITION_CLIENT:
      return fits_client (condition, facts->client);
    case BASE_CONDITION_USER:
      return fits_text (condition, facts->user);
    case BASE_CONDITION_SENDER:
      return fits_address (condition, *facts->sender == '\0' ? "<>" : facts->sender);
    case BASE_CONDITION_RECIPIENT:
      return fits_address (condition, facts->recipient);
    case BASE_CONDITION_NOTE:
      return fits_note (condition, facts);
    }
  return FALSE;
}

gboolean
base_condition_holds (const BaseCondition *condition, const BaseFacts *facts)
{
  if (condition->kind == BASE_CONDITION_SENDER && facts->sender == NULL)
    return FALSE;
  if (condition->kind == BASE_CONDITION_RECIPIENT && facts->recipient == NULL)
    return FALSE;
  return fits (condition, facts) != condition->negated;
}

gboolean
base_conditions_hold (const GPtrArray *conditions, const BaseFacts *facts, guint32 asked)
{
  for (guint i = 0; conditions != NULL && i < conditions->len; i++)
    {
      const BaseCondition *condition = g_ptr_array_index (conditions, i);

      if ((asked & BASE_CONDITION_BIT (condition->kind)) != 0
          && !base_condition_holds (condition, facts))
        return FALSE;
    }
  return TRUE;
}

guint32
base_conditions_kinds (const GPtrArray *conditions)
{
  guint32 found = 0;

  for (guint i = 0; conditions != NULL && i < conditions->len; i++)
    found |= BASE_CONDITION_BIT (((const BaseCondition *) g_ptr_array_index (conditions, i))->kind);
  return found;
}
