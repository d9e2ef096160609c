/* Names that are looked up on a loop, by libunbound: it asks in a thread of its own, keeps answers
 * as long as they are good, and tells the loop by a descriptor. */
#pragma once

#include "config/config.h"
#include "net/loop.h"

#define NET_RESOLVER_QUERIES 512 /* at a time, of one loop */

typedef enum
{
  NET_ANSWER_DATA,
  NET_ANSWER_NO_DATA, /* the name exists, without records of this type */
  NET_ANSWER_NO_NAME,
  NET_ANSWER_FAILED /* nobody knows now */
} NetAnswerKind;

typedef struct
{
  NetAnswerKind kind;
  gchar *const *data; /* records, octets as on the wire; NULL ends them */
  const int *lengths;
  const gchar *why; /* FAILED */
} NetAnswer;

typedef struct _NetResolver NetResolver;
typedef struct _NetQuery NetQuery;

/* Stands in whoever asks. */
struct _NetQuery
{
  void (*answered) (NetQuery *query, const NetAnswer *answer); /* from the loop, in no other call */
  NetResolver *resolver;
  int id;
  gboolean active;
  GList link;
};

/* NULL: error says why names can not be looked up. */
NetResolver *net_resolver_new (NetLoop *loop, const Config *config, GError **error);
/* Nobody may wait for an answer any more. */
void net_resolver_close (NetResolver *resolver);
/* `type` is a number of ns_type. FALSE: too many questions are open, or the name is none. */
gboolean net_resolver_ask (NetResolver *resolver, NetQuery *query, const gchar *name, int type);
void net_resolver_cancel (NetQuery *query); /* fine when it waits for nothing */
