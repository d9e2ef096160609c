/* Comparing names as the system that opens the file will: the last extension decides, whatever
 * dots, spaces and unseen characters stand behind it, and whatever path stands in front. */
#include "rules.h"

#include <string.h>

#include "text.h"

#define MAX_NAME 1024 /* octets at each end of a name that are compared */
#define MAX_TYPE 200  /* octets of a type */

static char *
fold_extension (const char *extension)
{
  if (g_str_has_prefix (extension, "*."))
    extension++;
  return text_fold (*extension == '.' ? extension + 1 : extension);
}

const char *
rules_check_extension (const char *extension)
{
  g_autofree char *folded = fold_extension (extension);

  if (*folded == '\0')
    return "is empty";
  if (strlen (folded) > RULES_MAX_EXTENSION)
    return "is too long for an extension";
  if (strpbrk (folded, "/\\:*? ") != NULL || g_str_has_suffix (folded, "."))
    return "is no extension (\"exe\", \".exe\" and \"tar.gz\" are)";
  return NULL;
}

const char *
rules_check_type (const char *type)
{
  if (strchr (type, '/') == NULL && strchr (type, '*') == NULL)
    return "is no type (\"application/x-dosexec\" and \"application/x-*\" are)";
  for (; *type != '\0'; type++)
    if (!g_ascii_isgraph (*type))
      return "has a character that stands in no type";
  return NULL;
}

static GPtrArray *
fold_extensions (const char *const *extensions)
{
  GPtrArray *list = g_ptr_array_new_with_free_func (g_free);

  for (; *extensions != NULL; extensions++)
    {
      g_autofree char *folded = fold_extension (*extensions);

      g_ptr_array_add (list, g_strconcat (".", folded, NULL));
    }
  return list;
}

static GPtrArray *
fold_types (const char *const *types)
{
  GPtrArray *list = g_ptr_array_new_with_free_func (g_free);

  for (; *types != NULL; types++)
    g_ptr_array_add (list, g_ascii_strdown (*types, -1));
  return list;
}

Rules *
rules_new (const char *const *extensions, const char *const *types,
           const char *const *allowed_extensions, const char *const *allowed_types)
{
  Rules *rules = g_new0 (Rules, 1);

  rules->extensions = fold_extensions (extensions);
  rules->types = fold_types (types);
  rules->allowed_extensions = fold_extensions (allowed_extensions);
  rules->allowed_types = fold_types (allowed_types);
  return rules;
}

void
rules_free (Rules *rules)
{
  if (rules == NULL)
    return;
  g_ptr_array_unref (rules->extensions);
  g_ptr_array_unref (rules->types);
  g_ptr_array_unref (rules->allowed_extensions);
  g_ptr_array_unref (rules->allowed_types);
  g_free (rules);
}

/* ---- Names ---- */

typedef struct
{
  const char *const *items; /* with their dots, folded */
  gsize count;
} List;

static List
list_of (const GPtrArray *extensions)
{
  return (List){ (const char *const *) extensions->pdata, extensions->len };
}

static const char *
match_suffix (List extensions, const char *name)
{
  gsize length = strlen (name);

  for (gsize i = 0; i < extensions.count; i++)
    {
      gsize size = strlen (extensions.items[i]);

      if (size <= length && memcmp (name + length - size, extensions.items[i], size) == 0)
        return extensions.items[i] + 1;
    }
  return NULL;
}

/* FALSE: there were none. */
static gboolean
remove_spaces (char *text)
{
  char *to = strchr (text, ' ');

  if (to == NULL)
    return FALSE;

  for (text = to; *text != '\0'; text++)
    if (*text != ' ')
      *to++ = *text;
  *to = '\0';
  return TRUE;
}

/* One file name without a path. */
static const char *
match_segment (List extensions, const char *segment, gsize length)
{
  g_autofree char *name = g_strndup (segment, length);
  gsize end = strlen (name);
  const char *found;

  while (end > 0 && strchr (" ./\\\"'`<>()[]{},;", name[end - 1]) != NULL)
    name[--end] = '\0';
  found = match_suffix (extensions, name);
  if (found != NULL || !remove_spaces (name))
    return found;
  return match_suffix (extensions, name);
}

/* "a.exe:stream" and "a.exe::$DATA" name a.exe on NTFS. */
static const char *
match_path (List extensions, const char *path)
{
  const char *found = NULL;

  for (const char *p = path; *p != '\0'; p++)
    if ((*p == '/' || *p == '\\') && p[1 + strspn (p + 1, "/\\ .")] != '\0')
      path = p + 1;
  while (found == NULL && *path != '\0')
    {
      gsize length = strcspn (path, ":");

      found = match_segment (extensions, path, length);
      path += path[length] == '\0' ? length : length + 1;
    }
  return found;
}

static const char *
match_octets (List extensions, const char *name, gsize length)
{
  g_autofree char *octets = NULL;
  g_autofree char *folded = NULL;

  while (length > 0 && ((guchar) name[length - 1] <= ' ' || name[length - 1] == '.'))
    length--;
  if (length > MAX_NAME)
    {
      name += length - MAX_NAME;
      length = MAX_NAME;
    }
  octets = g_strndup (name, length);
  folded = text_fold (octets);
  return match_path (extensions, folded);
}

static const char *
match_name (List extensions, const char *name)
{
  gsize length = strlen (name);
  gsize cut = strcspn (name, (const char[]){ TEXT_NUL, '\0' });
  const char *found;

  if (extensions.count == 0)
    return NULL;
  found = match_octets (extensions, name, length);
  if (found == NULL && cut < length) /* a program in C stops at the NUL */
    found = match_octets (extensions, name, cut);
  if (found == NULL && length > MAX_NAME) /* or where its buffer ends, at the latest */
    found = match_octets (extensions, name, MAX_NAME);
  return found;
}

const char *
rules_match_name (const Rules *rules, const char *name)
{
  return match_name (list_of (rules->extensions), name);
}

gboolean
rules_is_one_of (const char *const *extensions, const char *name)
{
  return match_name ((List){ extensions, g_strv_length ((char **) extensions) }, name) != NULL;
}

gboolean
rules_has_allowed_names (const Rules *rules)
{
  return rules->allowed_extensions->len > 0;
}

gboolean
rules_has_allowed_types (const Rules *rules)
{
  return rules->allowed_types->len > 0;
}

/* Here the doubt is the other way round: a name with tricks in it is on no list. */
gboolean
rules_allow_name (const Rules *rules, const char *name)
{
  gsize length = strlen (name);

  if (!rules_has_allowed_names (rules))
    return TRUE;
  for (gsize i = 0; i < length; i++)
    if (name[i] == ':' || name[i] == TEXT_NUL || ((guchar) name[i] < ' ' && name[i] != '\t'))
      return FALSE;
  return length <= MAX_NAME
         && match_octets (list_of (rules->allowed_extensions), name, length) != NULL;
}

gboolean
rules_allow_type (const Rules *rules, const char *type)
{
  if (!rules_has_allowed_types (rules))
    return TRUE;
  for (guint i = 0; i < rules->allowed_types->len; i++)
    if (g_pattern_match_simple (g_ptr_array_index (rules->allowed_types, i), type))
      return TRUE;
  return FALSE;
}

/* ---- Types ---- */

const char *
rules_match_type (const Rules *rules, const char *type)
{
  for (guint i = 0; i < rules->types->len; i++)
    if (g_pattern_match_simple (g_ptr_array_index (rules->types, i), type))
      return g_ptr_array_index (rules->types, i);
  return NULL;
}

char *
rules_type_of (const char *value, gsize length)
{
  char type[MAX_TYPE];
  gsize used = 0;
  guint depth = 0;

  for (gsize i = 0; i < length && used < sizeof type; i++)
    {
      char c = value[i];

      if (c == '(')
        depth++;
      else if (c == ')' && depth > 0)
        depth--;
      else if (depth == 0 && (c == ';' || c == ','))
        break;
      else if (depth == 0 && (guchar) c > ' ' && c != '"' && (guchar) c < 0x7f)
        type[used++] = c >= 'A' && c <= 'Z' ? (char) (c | 0x20) : c;
    }
  return g_strndup (type, used);
}
