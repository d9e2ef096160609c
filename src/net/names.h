/* A client's name: its PTR record, believed only when the name leads back to the address (RFC 8601
 * section 2.7.3 calls this iprev). Asked off the loop, remembered for a minute, never waited for
 * longer than NET_NAMES_TIMEOUT. One cache a loop. */
#pragma once

#include "base/address.h"
#include "base/network.h"
#include "net/loop.h"

#define NET_NAMES_TIMEOUT (5 * G_TIME_SPAN_SECOND)
#define NET_NAMES_TTL (60 * G_TIME_SPAN_SECOND)
#define NET_NAMES_MAX_CACHED 4096 /* addresses remembered in a loop */
#define NET_NAMES_MAX_LOOKUPS                                                                      \
  64 /* under way in a loop; a client beyond them stays without a name */

typedef struct _NetNames NetNames;
typedef struct _NetNameLookup NetNameLookup;
typedef struct _NetNameWait NetNameWait;
/* `name` NULL: none, or not in time. Valid during the call. */
typedef void (*NetNameFunc) (NetNameWait *wait, const gchar *name);

/* Stands in whoever waits. */
struct _NetNameWait
{
  NetNameFunc func;
  GList link;
  gint64 deadline;
  NetNameLookup *lookup; /* NULL: not waiting */
};

NetNames *net_names_new (NetLoop *loop);
/* Answers nobody any more; the memory goes once the lookups under way have returned. */
void net_names_close (NetNames *names);

/* TRUE: known now, `*name` (or NULL) is valid until the next call. FALSE: it is being looked up,
 * for net_names_wait(). */
gboolean net_names_find (NetNames *names, const BaseEndpoint *client, const gchar **name,
                         NetNameLookup **lookup);
/* Right behind it: `func` is called from the loop. */
void net_names_wait (NetNameLookup *lookup, NetNameWait *wait, NetNameFunc func);
void net_names_cancel (NetNameWait *wait); /* fine when it does not wait */
/* Lookups that were really made, for tests and the status. */
guint64 net_names_lookups (const NetNames *names);
