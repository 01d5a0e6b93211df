import * as pulumi from "@pulumi/pulumi";
import * as pgbeam from "@pgbeam/pulumi";

const config = new pulumi.Config();
const baseUrl = config.require("baseUrl");

pgbeam.configure({ apiKey: config.require("configured"), baseUrl });
let refused = "";
try {
    pgbeam.configure({});
} catch (e: any) {
    refused = e.message;
}

function replica(name: string, opts?: pulumi.CustomResourceOptions) {
    return new pgbeam.Replica(name, { databaseId: "db_1", host: name, port: 5432 }, opts);
}

class Component extends pulumi.ComponentResource {
    constructor(name: string, opts?: pulumi.ComponentResourceOptions) {
        super("test:index:Component", name, {}, opts);
        replica(name + "-child", { parent: this });
    }
}

const other = new pgbeam.Provider("other", { apiKey: config.require("explicit"), baseUrl });
replica("plain");
replica("explicit", { provider: other });
new Component("given", { providers: [other] });
new Component("free");

export const regions = pgbeam.getRegionsOutput().apply(r => r.regions.length);
export const second = refused;
