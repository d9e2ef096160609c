/* MX records by res_nquery(3). What the name server sends is read by the system's own parser with
 * its bounds; a malformed answer is an error like a server that cannot be reached. */
#include "blocking/resolver.h"

#include <arpa/nameser.h>
#include <netdb.h>
#include <resolv.h>
#include <string.h>

#include "base/mx.h"

static gboolean
fail (const gchar *domain, const gchar *what, GError **error)
{
  g_set_error (error, WEIR_ERROR, WEIR_ERROR_CONNECT, "%s: %s", domain, what);
  return FALSE;
}

/* FALSE: malformed. */
static gboolean
read_record (ns_msg *message, const ns_rr *record, GArray *records)
{
  gchar name[NS_MAXDNAME];

  if (ns_rr_type (*record) != ns_t_mx)
    return TRUE;
  if (ns_rr_rdlen (*record) < 3
      || dn_expand (ns_msg_base (*message), ns_msg_end (*message), ns_rr_rdata (*record) + 2, name,
                    sizeof name)
             < 0)
    return FALSE;
  base_mx_list_add (records, ns_get16 (ns_rr_rdata (*record)), g_random_int (),
                    *name == '\0' ? "." : name);
  return TRUE;
}

static gboolean
read_records (const guint8 *bytes, int length, GArray *records)
{
  ns_msg message;
  ns_rr record;

  if (ns_initparse (bytes, length, &message) < 0)
    return FALSE;
  for (int i = 0; i < ns_msg_count (message, ns_s_an); i++)
    if (ns_parserr (&message, ns_s_an, i, &record) < 0 || !read_record (&message, &record, records))
      return FALSE;
  return TRUE;
}

gboolean
blocking_resolver_read (const guint8 *bytes, gsize length, GPtrArray *hosts)
{
  g_autoptr (GArray) records = base_mx_list_new ();

  if (!read_records (bytes, (int) MIN (length, NS_MAXMSG), records))
    return FALSE;
  if (base_mx_list_arrange (records, NULL) == BASE_MX_BAD)
    return FALSE;
  for (guint i = 0; i < records->len; i++)
    g_ptr_array_add (hosts, g_strdup (g_array_index (records, BaseMx, i).host));
  return TRUE;
}

gboolean
blocking_resolver_lookup (const char *domain, GPtrArray *hosts, gpointer data, GError **error)
{
  g_autofree guint8 *bytes = g_malloc (NS_MAXMSG);
  struct __res_state state = { 0 };
  int length;
  int failure;

  if (res_ninit (&state) < 0)
    return fail (domain, "no resolver", error);
  length = res_nquery (&state, domain, ns_c_in, ns_t_mx, bytes, NS_MAXMSG);
  failure = state.res_h_errno;
  res_nclose (&state);
  if (length < 0 && failure != NO_DATA && failure != HOST_NOT_FOUND)
    return fail (domain, hstrerror (failure), error);
  if (length >= 0 && !blocking_resolver_read (bytes, (gsize) length, hosts))
    return fail (domain, "a malformed answer of the name server", error);
  return TRUE;
}
