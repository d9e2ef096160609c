/* A delivery is one piece of work for libuv's threads. Its failure is a GError for the session,
 * which answers 451. */
#include "net/deliver.h"

#include "base/log.h"
#include "delivery/maildir.h"
#include "delivery/quarantine.h"

typedef struct
{
  uv_work_t work;
  NetLoop *loop;
  NetClient *client; /* NULL: nobody waits any more */
  GatewayDelivery *job;
  gchar *name;
  GError *error;
} NetDelivery;

static void
write_quarantine (NetDelivery *delivery, const DeliveryEnvelope *envelope)
{
  const GatewayDelivery *job = delivery->job;
  DeliveryFacts facts = { .time = g_get_real_time (),
                          .message_id = job->id,
                          .session_id = job->session_id,
                          .listener = job->listener,
                          .client_address = job->client_address,
                          .client_name = job->client_name,
                          .helo = job->helo,
                          .user = job->user,
                          .filter = job->filter,
                          .reason = job->reason,
                          .notes = job->notes };

  delivery_quarantine_write (job->directory, job->hostname, envelope, &facts,
                             message_source_from_spool (job->spool), &delivery->name,
                             &delivery->error);
}

/* In a thread of libuv's. */
static void
on_work (uv_work_t *work)
{
  NetDelivery *delivery = NET_OWNER (work, NetDelivery, work);
  const GatewayDelivery *job = delivery->job;
  DeliveryEnvelope envelope = { job->sender, job->recipients };

  if (job->kind == GATEWAY_DELIVER_QUARANTINE)
    write_quarantine (delivery, &envelope);
  else
    delivery_maildir_write (job->directory, job->hostname, &envelope, job->prefix, job->edits,
                            message_source_from_spool (job->spool), &delivery->name,
                            &delivery->error);
}

static void
tell_client (NetDelivery *delivery)
{
  NetClient *client = delivery->client;

  client->deliveries = g_slist_remove (client->deliveries, delivery);
  gateway_session_delivered (client->session, delivery->job, delivery->name, delivery->error);
  net_client_step (client);
}

static void
on_done (uv_work_t *work, int status)
{
  NetDelivery *delivery = NET_OWNER (work, NetDelivery, work);

  if (status != 0 && delivery->error == NULL)
    g_set_error (&delivery->error, G_FILE_ERROR, G_FILE_ERROR_FAILED,
                 "the delivery was given up: %s", uv_strerror (status));
  if (delivery->error != NULL)
    {
      base_log (BASE_LOG_ERROR, "delivery: %s", delivery->error->message);
      NET_COUNT (delivery->loop, delivery_failures);
    }
  if (delivery->client != NULL && delivery->client->session != NULL)
    tell_client (delivery);
  gateway_delivery_free (delivery->job);
  g_clear_error (&delivery->error);
  g_free (delivery->name);
  g_free (delivery);
}

void
net_deliver (NetClient *client, GatewayDelivery *job)
{
  NetDelivery *delivery = g_new0 (NetDelivery, 1);

  delivery->loop = client->loop;
  delivery->client = client;
  delivery->job = job;
  client->deliveries = g_slist_prepend (client->deliveries, delivery);
  NET_COUNT (client->loop, deliveries);
  /* Refused only without a function to run. */
  uv_queue_work (&client->loop->uv, &delivery->work, on_work, on_done);
}

void
net_deliver_forget (NetClient *client)
{
  for (GSList *link = client->deliveries; link != NULL; link = link->next)
    ((NetDelivery *) link->data)->client = NULL;
  g_clear_pointer (&client->deliveries, g_slist_free);
}
