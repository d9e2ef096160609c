/* Which hosts take the mail of a domain, worked out of what a name server has said (RFC 5321
 * section 5.1, RFC 7505). Nothing is looked up here. */
#pragma once

#include "base/network.h"

#define BASE_MX_MOST 8       /* hosts of one domain that are asked for their addresses */
#define BASE_MX_ADDRESSES 10 /* addresses of one domain that are tried */
#define BASE_MX_NAME 253     /* octets of a name, dots included (RFC 1035 section 2.3.4) */

typedef struct
{
  guint preference;
  guint32 lot; /* decides among equals */
  gchar *host;
  GArray *addresses; /* of BaseEndpoint */
} BaseMx;

typedef enum
{
  BASE_MX_FINE,
  BASE_MX_NONE, /* no record: the domain itself is its only host */
  BASE_MX_NULL, /* the domain takes no mail */
  BASE_MX_BAD,  /* records, and no name in them is one */
  BASE_MX_LOOP  /* none is better than ourselves */
} BaseMxVerdict;

/* The name to be looked up for the domain of an address: A-labels, lower case, no last dot; a
 * literal keeps its brackets. Caller frees. NULL: there can be no such host. */
gchar *base_mx_domain (const gchar *domain);

/* TRUE: the domain stands in brackets. `*address` is then its address ("192.0.2.1", "2001:db8::1"),
 * caller frees; NULL: it is none (RFC 5321 section 4.1.3). */
gboolean base_mx_literal (const gchar *domain, gchar **address);

/* A name without compression (RFC 1035 section 3.1) as text: "." is the root. Caller frees. NULL:
 * it is cut short, goes on behind its end, or is no host's. */
gchar *base_mx_name (const guint8 *wire, gsize length);

/* Of BaseMx. */
GArray *base_mx_list_new (void);
void base_mx_list_add (GArray *list, guint preference, guint32 lot, const gchar *host);
/* Puts them in order and keeps the first BASE_MX_MOST. If `own` (may be NULL) is among them, it and
 * all that are no better are left out (RFC 5321 section 5.1: else mail goes in circles). */
BaseMxVerdict base_mx_list_arrange (GArray *list, const gchar *own);

/* The same for an address of ours. TRUE: nothing is left, and that is why. */
typedef gboolean (*BaseMxOwn) (const BaseEndpoint *endpoint, gpointer data);
gboolean base_mx_list_leave_own (GArray *list, BaseMxOwn own, gpointer data);

/* IPv6 and IPv4 in turns, each in the order that it had. */
void base_mx_mix_families (GArray *addresses, gboolean six_first);
