-- A project's inbound webhooks are listed.
CREATE INDEX inbound_webhook_project ON inbound_webhook (project, endpoint);
