// Sends COUNT events with each of the clients, as their own documentation says, changed in nothing but the host.
// node send.js URL WRITE_KEY COUNT
import { SeverityNumber } from "@opentelemetry/api-logs";
import { OTLPLogExporter } from "@opentelemetry/exporter-logs-otlp-http";
import { resourceFromAttributes } from "@opentelemetry/resources";
import { BatchLogRecordProcessor, LoggerProvider } from "@opentelemetry/sdk-logs";
import RudderAnalytics from "@rudderstack/rudder-sdk-node";
import { Analytics } from "@segment/analytics-node";

const [url, writeKey, countText] = process.argv.slice(2);
const count = Number(countText);

async function segment() {
  const analytics = new Analytics({ writeKey, host: url, flushAt: 7 });
  analytics.on("error", fail);
  analytics.identify({ userId: "segment-node", traits: { plan: "pro" } });
  for (let i = 0; i < count; i++) {
    analytics.track({ userId: "segment-node", event: "Segment Node", properties: { i } });
  }
  await analytics.closeAndFlush();
}

async function rudder() {
  const client = new RudderAnalytics(writeKey, { dataPlaneUrl: url, flushAt: 7 });
  for (let i = 0; i < count; i++) {
    client.track({ userId: "rudder-node", event: "Rudder Node", properties: { i } });
  }
  await new Promise((done) => client.flush(done));
  await client.flush();
}

async function otlp() {
  const exporter = new OTLPLogExporter({ url: `${url}/v1/logs`, headers: { "x-api-key": writeKey } });
  const provider = new LoggerProvider({
    resource: resourceFromAttributes({ "service.name": "otlp-node" }),
    processors: [new BatchLogRecordProcessor({ exporter, maxExportBatchSize: 7 })],
  });
  const logger = provider.getLogger("test");
  for (let i = 0; i < count; i++) {
    logger.emit({
      eventName: "otlp.node",
      severityNumber: SeverityNumber.ERROR,
      severityText: "ERROR",
      body: `line ${i}`,
      attributes: { "user.id": "otlp-node", i },
    });
  }
  await provider.shutdown();
}

function fail(error) {
  console.error(error);
  process.exitCode = 1;
}

await Promise.all([segment(), rudder(), otlp()]).catch(fail);
