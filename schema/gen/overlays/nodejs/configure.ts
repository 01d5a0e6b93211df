import * as pulumi from "@pulumi/pulumi";
import { Provider } from "./provider";

/**
 * What `configure` takes. Whatever is absent comes from the stack's configuration, else from the environment.
 */
export interface ConfigureArgs {
    /**
     * The API key. It is kept encrypted in state. Stack configuration: `pgbeam:apiKey`; environment: `PGBEAM_API_KEY`.
     */
    apiKey?: pulumi.Input<string>;
    /**
     * The address of the API. Stack configuration: `pgbeam:baseUrl`; environment: `PGBEAM_API_URL`.
     */
    baseUrl?: pulumi.Input<string>;
}

// One entry per running program: inline programs of the Automation API share
// this module, but each has a monitor of its own.
const providers = new WeakMap<object, Provider>();
const noMonitor = {};

function program(): object {
    return (pulumi.runtime.getMonitor() as object | undefined) ?? noMonitor;
}

/**
 * Configure PgBeam in the program. Every PgBeam resource and function after this call that is given no provider, by its
 * own options or by a component around it, uses this key and address. It returns the provider that was made.
 *
 * Call it once, before the first resource. Where one program needs two keys, make a `Provider` for the other and
 * pass it as the option `provider`.
 */
export function configure(args: ConfigureArgs): Provider {
    if (providers.has(program())) {
        throw new Error("pgbeam.configure() was called a second time. Call it once; for resources that need another " +
            "key or address, make a pgbeam.Provider and pass it to them with the option 'provider'.");
    }
    const stack = new pulumi.Config("pgbeam");
    const apiKey = args.apiKey ?? stack.getSecret("apiKey");
    const provider = new Provider("pgbeam-configured", {
        apiKey: apiKey === undefined ? undefined : pulumi.secret(apiKey),
        baseUrl: args.baseUrl ?? stack.get("baseUrl"),
    }, { additionalSecretOutputs: ["apiKey"] } as pulumi.ResourceOptions);
    providers.set(program(), provider);
    return provider;
}

/**
 * The options that make a resource or function use what was configured: none when it has a provider already, itself
 * or through its parent.
 *
 * @internal
 */
export function configuredProvider(opts: any): { provider?: Provider } {
    if (opts === false || opts?.provider || opts?.parent?.getProvider?.("pgbeam:index:_")) {
        return {};
    }
    const provider = providers.get(program());
    return provider ? { provider } : {};
}
