/* The hosts of a domain in the order in which they are tried. A name that can be no host's is left
 * out; everything is bounded, whatever a name server has sent. */
#include "base/mx.h"

#include <arpa/inet.h>
#include <string.h>

#include "base/address.h"

#define LABEL 63 /* octets (RFC 1035 section 2.3.4) */

/* ---- Names ---- */

static gboolean
labels_fit (const gchar *name)
{
  while (*name != '\0')
    {
      gsize length = strcspn (name, ".");

      if (length == 0 || length > LABEL)
        return FALSE;
      name += length + (name[length] == '.' ? 1 : 0);
    }
  return TRUE;
}

gchar *
base_mx_domain (const gchar *domain)
{
  g_autofree gchar *ascii = NULL;
  g_autofree gchar *name = NULL;
  gsize length;

  if (*domain == '[')
    return g_ascii_strdown (domain, -1);
  ascii = g_hostname_to_ascii (domain);
  if (ascii == NULL)
    return NULL;
  name = g_ascii_strdown (ascii, -1);
  length = strlen (name);
  if (length > 1 && name[length - 1] == '.')
    name[--length] = '\0';
  if (length == 0 || length > BASE_MX_NAME || !base_domain_is_strict (name, length)
      || !labels_fit (name))
    return NULL;
  return g_steal_pointer (&name);
}

gboolean
base_mx_literal (const gchar *domain, gchar **address)
{
  static const gchar tag[] = "IPv6:";
  gsize length = strlen (domain);
  g_autofree gchar *inside = NULL;
  gboolean six;
  guint8 octets[16];

  *address = NULL;
  if (*domain != '[')
    return FALSE;
  if (length < 3 || domain[length - 1] != ']')
    return TRUE;
  inside = g_strndup (domain + 1, length - 2);
  six = g_ascii_strncasecmp (inside, tag, strlen (tag)) == 0;
  if (inet_pton (six ? AF_INET6 : AF_INET, inside + (six ? strlen (tag) : 0), octets) == 1)
    *address = g_strdup (inside + (six ? strlen (tag) : 0));
  return TRUE;
}

gchar *
base_mx_name (const guint8 *wire, gsize length)
{
  g_autoptr (GString) name = g_string_new (NULL);
  gsize at = 0;

  while (at < length && wire[at] != 0)
    {
      gsize label = wire[at++];

      if (label > LABEL || label >= length - at)
        return NULL;
      for (gsize i = 0; i < label; i++)
        if (!g_ascii_isalnum (wire[at + i]) && wire[at + i] != '-' && wire[at + i] != '_')
          return NULL;
      g_string_append_printf (name, name->len > 0 ? ".%.*s" : "%.*s", (int) label,
                              (const gchar *) wire + at);
      at += label;
    }
  if (at + 1 != length || name->len > BASE_MX_NAME)
    return NULL;
  return name->len == 0 ? g_strdup (".") : g_string_free (g_steal_pointer (&name), FALSE);
}

/* ---- Lists ---- */

static void
clear_mx (gpointer data)
{
  BaseMx *mx = data;

  g_free (mx->host);
  g_array_unref (mx->addresses);
}

GArray *
base_mx_list_new (void)
{
  GArray *list = g_array_new (FALSE, FALSE, sizeof (BaseMx));

  g_array_set_clear_func (list, clear_mx);
  return list;
}

void
base_mx_list_add (GArray *list, guint preference, guint32 lot, const gchar *host)
{
  BaseMx mx
      = { preference, lot, g_strdup (host), g_array_new (FALSE, FALSE, sizeof (BaseEndpoint)) };

  g_array_append_val (list, mx);
}

static gint
compare (gconstpointer a, gconstpointer b)
{
  const BaseMx *x = a;
  const BaseMx *y = b;

  if (x->preference != y->preference)
    return x->preference < y->preference ? -1 : 1;
  return x->lot < y->lot ? -1 : x->lot > y->lot;
}

/* Names that are none, and the null MX among others (RFC 7505 section 3 forbids that company). */
static void
leave_bad_names (GArray *list)
{
  for (guint i = list->len; i-- > 0;)
    {
      BaseMx *mx = &g_array_index (list, BaseMx, i);
      gchar *name = base_mx_domain (mx->host);

      g_free (mx->host);
      mx->host = name;
      if (name == NULL || *name == '[')
        g_array_remove_index (list, i);
    }
}

/* Sorted: those from this preference on. */
static void
leave_from (GArray *list, guint preference)
{
  guint keep = 0;

  while (keep < list->len && g_array_index (list, BaseMx, keep).preference < preference)
    keep++;
  g_array_set_size (list, keep);
}

static void
leave_own_name (GArray *list, const gchar *own)
{
  g_autofree gchar *name = base_mx_domain (own);

  for (guint i = 0; i < list->len && name != NULL; i++)
    if (g_str_equal (g_array_index (list, BaseMx, i).host, name))
      leave_from (list, g_array_index (list, BaseMx, i).preference);
}

static gboolean
is_null (const GArray *list)
{
  return list->len == 1 && g_str_equal (g_array_index (list, BaseMx, 0).host, ".");
}

BaseMxVerdict
base_mx_list_arrange (GArray *list, const gchar *own)
{
  if (list->len == 0)
    return BASE_MX_NONE;
  if (is_null (list))
    return BASE_MX_NULL;
  leave_bad_names (list);
  if (list->len == 0)
    return BASE_MX_BAD;
  g_array_sort (list, compare);
  if (own != NULL)
    leave_own_name (list, own);
  if (list->len == 0)
    return BASE_MX_LOOP;
  g_array_set_size (list, MIN (list->len, BASE_MX_MOST));
  return BASE_MX_FINE;
}

static gboolean
has_own (const BaseMx *mx, BaseMxOwn own, gpointer data)
{
  for (guint i = 0; i < mx->addresses->len; i++)
    if (own (&g_array_index (mx->addresses, BaseEndpoint, i), data))
      return TRUE;
  return FALSE;
}

gboolean
base_mx_list_leave_own (GArray *list, BaseMxOwn own, gpointer data)
{
  for (guint i = 0; i < list->len; i++)
    if (has_own (&g_array_index (list, BaseMx, i), own, data))
      {
        leave_from (list, g_array_index (list, BaseMx, i).preference);
        return list->len == 0;
      }
  return FALSE;
}

void
base_mx_mix_families (GArray *addresses, gboolean six_first)
{
  g_autoptr (GArray) four = g_array_new (FALSE, FALSE, sizeof (BaseEndpoint));
  g_autoptr (GArray) six = g_array_new (FALSE, FALSE, sizeof (BaseEndpoint));
  guint taken_four = 0, taken_six = 0;
  gboolean turn_of_six = six_first;

  for (guint i = 0; i < addresses->len; i++)
    {
      BaseEndpoint endpoint = g_array_index (addresses, BaseEndpoint, i);
      g_array_append_val (endpoint.address.any.sa_family == AF_INET6 ? six : four, endpoint);
    }
  for (guint i = 0; i < addresses->len; i++)
    {
      gboolean take_six = taken_four == four->len || (turn_of_six && taken_six < six->len);
      g_array_index (addresses, BaseEndpoint, i)
          = take_six ? g_array_index (six, BaseEndpoint, taken_six++)
                     : g_array_index (four, BaseEndpoint, taken_four++);
      turn_of_six = !take_six;
    }
}
