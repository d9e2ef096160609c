/* The rules applied to fields and bodies. What is known about an entity comes in as raw bytes only,
 * because a parser has already made a choice where two programs would make two. */
#include "inspect.h"

#include <string.h>

#include "decode.h"
#include "names.h"
#include "strict.h"
#include "text.h"
#include "wild.h"

#define MAX_DETECTIONS 10000 /* a message: as many as it may have parts by default */
#define MAX_FINDINGS 100
#define MAX_NAMES 50
#define MAX_RULE 200 /* octets */
#define BUDGET_BASE (16 * 1024 * 1024)
#define TEXT_BUDGET_BASE (8 * 1024 * 1024)

/* A field as it is found again in raw bytes. */
typedef struct
{
  guint which;
  const char *value; /* without white space around it; of the call */
  gsize length;
  guint count; /* how often it is still to be met */
} Seen;

/* Different in each process: who knows it could send values that all have one hash. */
static guint64 secret;

/* Octets stirred in, at most eight of them. */
static guint64
stir (guint64 hash, const char *octets, gsize length)
{
  unsigned __int128 product;
  guint64 word = length;

  memcpy (&word, octets, MIN (length, sizeof word));
  product = (unsigned __int128) (hash ^ word) * (secret | 1);
  return (guint64) (product ^ (product >> 64)) + word;
}

static guint
hash_seen (gconstpointer data)
{
  const Seen *seen = data;
  guint64 hash = secret ^ (guint64) seen->which ^ ((guint64) seen->length << 8);

  for (gsize i = 0; i < seen->length; i += sizeof hash)
    hash = stir (hash, seen->value + i, MIN (seen->length - i, sizeof hash));
  return (guint) (hash ^ (hash >> 32));
}

static gboolean
equal_seen (gconstpointer a, gconstpointer b)
{
  const Seen *left = a, *right = b;

  return left->which == right->which && left->length == right->length
         && memcmp (left->value, right->value, left->length) == 0;
}

static Seen
make_seen (guint which, const char *value, gsize length)
{
  while (length > 0 && g_ascii_isspace (value[length - 1]))
    length--;
  while (length > 0 && g_ascii_isspace (*value))
    {
      value++;
      length--;
    }
  return (Seen){ which, value, length, 0 };
}

static void
finding_free (gpointer data)
{
  Finding *finding = data;

  g_free (finding->name);
  g_free (finding->rule);
  g_free (finding);
}

void
inspect_init (Inspection *inspection, const Rules *rules, const Limits *limits, guint conditions,
              magic_t magic, guint64 size)
{
  *inspection = (Inspection){ .rules = rules,
                              .limits = limits,
                              .conditions
                              = conditions | 1u << CONDITION_DENIED | 1u << CONDITION_UNREADABLE,
                              .magic = magic,
                              .budget = 4 * size + BUDGET_BASE,
                              .detections = MAX_DETECTIONS,
                              .part = WEIR_NO_ENTITY };
  text_work_init (&inspection->text, size + TEXT_BUDGET_BASE);
  if (secret == 0)
    secret = (guint64) g_random_int () << 32 | g_random_int ();
  inspection->visible = g_hash_table_new_full (hash_seen, equal_seen, g_free, NULL);
  inspection->findings = g_ptr_array_new_with_free_func (finding_free);
  inspection->names = g_ptr_array_new_with_free_func (g_free);
}

void
inspect_clear (Inspection *inspection)
{
  text_work_clear (&inspection->text);
  g_clear_pointer (&inspection->visible, g_hash_table_unref);
  g_clear_pointer (&inspection->findings, g_ptr_array_unref);
  g_clear_pointer (&inspection->names, g_ptr_array_unref);
}

void
inspect_passed (Inspection *inspection, const guint8 *at)
{
  guintptr start = (guintptr) inspection->message;

  if (inspection->context != NULL && (guintptr) at >= start
      && (guintptr) at - start <= inspection->length)
    weir_message_passed (inspection->context, (guintptr) at - start);
}

void
inspect_entity_clear (Entity *entity)
{
  g_clear_pointer (&entity->name, g_free);
  g_clear_pointer (&entity->type, g_free);
  g_clear_pointer (&entity->names, g_ptr_array_unref);
}

gboolean
inspect_wants (const Inspection *inspection, Condition condition)
{
  return (inspection->conditions & 1u << condition) != 0;
}

static void
add_finding (Inspection *inspection, Condition condition, const char *name, char *rule)
{
  Finding *finding = g_new0 (Finding, 1);

  finding->condition = condition;
  finding->name = text_show (name != NULL && *name != '\0' ? name : "without a name");
  finding->rule = rule;
  finding->part = condition == CONDITION_UNREADABLE ? WEIR_NO_ENTITY : inspection->part;
  g_ptr_array_add (inspection->findings, finding);
}

/* Belongs to no part: nothing that is taken out would help. */
static void
give_up (Inspection *inspection)
{
  if (!inspection->exhausted)
    add_finding (inspection, CONDITION_UNREADABLE, "message", g_strdup ("too much to look at"));
  inspection->exhausted = TRUE;
}

/* What rules quote comes from strangers; they stand in replies, in notes, and in a text that is
 * shown in place of a part. */
static char *
make_fit (char *rule)
{
  for (gsize i = 0; rule[i] != '\0'; i++)
    if (i == MAX_RULE)
      rule[i--] = '\0';
    else if (rule[i] < ' ' || rule[i] > '~')
      rule[i] = '?';
  return rule;
}

void
inspect_find (Inspection *inspection, Condition condition, const char *name, const char *format,
              ...)
{
  va_list arguments;

  if (!inspect_wants (inspection, condition))
    return;
  if (inspection->findings->len >= MAX_FINDINGS)
    {
      give_up (inspection);
      return;
    }
  va_start (arguments, format);
  add_finding (inspection, condition, name, make_fit (g_strdup_vprintf (format, arguments)));
  va_end (arguments);
}

gboolean
inspect_spend (Inspection *inspection, gsize octets)
{
  if (octets > inspection->budget)
    {
      give_up (inspection);
      return FALSE;
    }
  inspection->budget -= octets;
  return TRUE;
}

/* ---- Fields ---- */

static void
note_name (Inspection *inspection, const char *name)
{
  g_autofree char *shown = text_show (name);

  if (inspection->names->len < MAX_NAMES
      && !g_ptr_array_find_with_equal_func (inspection->names, shown, g_str_equal, NULL))
    g_ptr_array_add (inspection->names, g_steal_pointer (&shown));
}

static gboolean
has_suffix (const char *name, const char *suffix)
{
  gsize length = strlen (name), size = strlen (suffix);

  while (length > 0 && (guchar) name[length - 1] <= ' ')
    length--;
  return length >= size && g_ascii_strncasecmp (name + length - size, suffix, size) == 0;
}

static void
keep_names (Entity *entity, GPtrArray *names)
{
  if (entity->names == NULL)
    entity->names = g_ptr_array_new_with_free_func (g_free);
  for (guint i = 0; i < names->len; i++)
    {
      const char *name = g_ptr_array_index (names, i);

      entity->pkcs7 |= has_suffix (name, ".p7m");
      g_ptr_array_add (entity->names, g_strdup (name));
    }
}

static gboolean
check_denied (Inspection *inspection, GPtrArray *names)
{
  for (guint i = 0; i < names->len; i++)
    {
      const char *name = g_ptr_array_index (names, i);
      const char *rule = rules_match_name (inspection->rules, name);

      if (rule != NULL)
        {
          inspect_find (inspection, CONDITION_DENIED, name, "extension %s", rule);
          return TRUE;
        }
    }
  return FALSE;
}

/* A name in its encoded form is not the one that anybody sees. */
static gboolean
is_encoded (const char *name)
{
  return strstr (name, "=?") != NULL || strchr (name, '%') != NULL;
}

static void
check_allowed (Inspection *inspection, GPtrArray *names)
{
  for (guint i = 0; names != NULL && i < names->len; i++)
    {
      const char *name = g_ptr_array_index (names, i);

      if ((names->len == 1 || !is_encoded (name)) && !rules_allow_name (inspection->rules, name))
        {
          inspect_find (inspection, CONDITION_DENIED, name, "not on the list of what is allowed");
          return;
        }
    }
}

void
inspect_names (Inspection *inspection, Entity *entity, GPtrArray *names, GPtrArray *whole)
{
  if (inspection->text.exhausted)
    give_up (inspection);
  if (names->len == 0)
    return;
  if (entity->name == NULL)
    {
      entity->name = g_strdup (g_ptr_array_index (names, 0));
      note_name (inspection, entity->name);
    }
  keep_names (entity, names);
  if (!check_denied (inspection, names))
    check_allowed (inspection, whole);
}

void
inspect_member (Inspection *inspection, const Entity *entity, const char *name, gboolean allow)
{
  const char *rule = rules_match_name (inspection->rules, name);

  if (rule != NULL)
    inspect_find (inspection, CONDITION_DENIED, entity->name, "extension %s of a file in it", rule);
  else if (allow && !rules_allow_name (inspection->rules, name))
    inspect_find (inspection, CONDITION_DENIED, entity->name,
                  "a file in it that is not on the list of what is allowed");
}

/* A field that is not read alike by everybody: what else might somebody make of it? */
static void
check_wild (Inspection *inspection, Entity *entity, const char *text, GPtrArray *pieces)
{
  const char *rule = wild_match (&inspection->text, inspection->rules, text, pieces);

  if (inspection->text.exhausted)
    give_up (inspection);
  if (rule != NULL)
    inspect_find (inspection, CONDITION_DENIED, entity->name, "extension %s", rule);
}

static void
check_odd (Inspection *inspection, Entity *entity, const char *text, GPtrArray *pieces)
{
  StrictKind kind = strict_check (text);

  if (kind == STRICT_PLAIN)
    return;
  check_wild (inspection, entity, text, pieces);
  if (rules_has_allowed_names (inspection->rules) && pieces->len > 0)
    inspect_find (inspection, CONDITION_DENIED, entity->name,
                  "a name that can be read in several ways");
  if (kind == STRICT_AMBIGUOUS)
    inspect_find (inspection, CONDITION_AMBIGUOUS, entity->name,
                  "a field that can be read in several ways");
}

static void
check_parameters (Inspection *inspection, Entity *entity, const char *value, gsize length)
{
  static const char *const keys[] = { "filename", "name" };
  g_autofree char *text = text_copy (value, length);
  g_autoptr (GPtrArray) pieces = g_ptr_array_new_with_free_func (g_free);
  guint before = inspection->findings->len;
  gboolean too_many = FALSE, named = names_holds (text, "name");

  for (guint i = 0; i < G_N_ELEMENTS (keys) && named; i++)
    {
      g_autoptr (GPtrArray) whole = rules_has_allowed_names (inspection->rules)
                                        ? g_ptr_array_new_with_free_func (g_free)
                                        : NULL;
      g_autoptr (GPtrArray) names
          = names_read (&inspection->text, text, keys[i], pieces, whole, &too_many);

      inspect_names (inspection, entity, names, whole);
    }
  if (inspection->findings->len == before)
    check_odd (inspection, entity, text, pieces);
  if (too_many)
    give_up (inspection);
}

/* "message" and "message/…"; some take the bare word for one as well. */
static gboolean
is_of (const char *type, const char *kind)
{
  gsize length = strlen (kind);

  return strncmp (type, kind, length) == 0 && (type[length] == '/' || type[length] == '\0');
}

static void
take_type (Inspection *inspection, Entity *entity, const char *value, gsize length, gboolean check)
{
  g_autofree char *type = rules_type_of (value, length);
  const char *rule = check ? rules_match_type (inspection->rules, type) : NULL;

  entity->n_types++;
  entity->nested |= is_of (type, "message") || is_of (type, "multipart");
  entity->text |= g_str_has_prefix (type, "text/") || *type == '\0';
  entity->typed |= strchr (type, '/') != NULL;
  entity->pkcs7 |= strcmp (type, "application/pkcs7-mime") == 0
                   || strcmp (type, "application/x-pkcs7-mime") == 0;
  inspection->digest |= strcmp (type, "multipart/digest") == 0;
  if (entity->type == NULL)
    entity->type = g_strdup (type);
  if (rule != NULL)
    inspect_find (inspection, CONDITION_DENIED, entity->name, "type %s", rule);
}

/* A known field is counted; any other is visible if it is one of those, each of which is met once.
 */
static gboolean
is_visible (Inspection *inspection, guint which, const char *value, gsize length, gboolean known)
{
  Seen key = make_seen (which, value, length);
  Seen *seen = g_hash_table_lookup (inspection->visible, &key);

  if (known && seen == NULL)
    {
      seen = g_memdup2 (&key, sizeof key);
      g_hash_table_add (inspection->visible, seen);
    }
  if (known)
    seen->count++;
  else if (seen == NULL || seen->count == 0)
    return FALSE;
  else
    seen->count--;
  return TRUE;
}

static gboolean
value_begins (const char *value, gsize length, const char *word)
{
  while (length > 0 && ((guchar) *value <= ' ' || *value == '"'))
    {
      value++;
      length--;
    }
  return length >= strlen (word) && g_ascii_strncasecmp (value, word, strlen (word)) == 0;
}

void
inspect_field (Inspection *inspection, Entity *entity, const char *name, gsize name_length,
               const char *value, gsize length, gboolean known)
{
  static const char *const names[]
      = { "content-type", "content-disposition", "content-transfer-encoding" };
  guint which = 0;
  gboolean check;

  while (which < G_N_ELEMENTS (names) && !text_is (name, name_length, names[which]))
    which++;
  if (which == G_N_ELEMENTS (names) || inspection->exhausted || !inspect_spend (inspection, length))
    return;
  check = !is_visible (inspection, which, value, length, known) || known;
  entity->hidden |= check && !known;
  if (which == 2)
    {
      entity->encodings |= decode_encodings (value, length);
      entity->n_encodings++;
      return;
    }
  if (check)
    check_parameters (inspection, entity, value, length);
  if (which == 0)
    take_type (inspection, entity, value, length, check);
  else
    entity->n_dispositions++;
  if (which == 1)
    entity->attachment |= value_begins (value, length, "attachment");
}
