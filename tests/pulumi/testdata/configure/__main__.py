import pulumi
import pulumi_pgbeam as pgbeam

config = pulumi.Config()
base_url = config.require("baseUrl")

pgbeam.configure(api_key=config.require("configured"), base_url=base_url)
refused = ""
try:
    pgbeam.configure()
except RuntimeError as e:
    refused = str(e)


def replica(name, opts=None):
    return pgbeam.Replica(name, database_id="db_1", host=name, port=5432, opts=opts)


class Component(pulumi.ComponentResource):
    def __init__(self, name, opts=None):
        super().__init__("test:index:Component", name, None, opts)
        replica(name + "-child", pulumi.ResourceOptions(parent=self))


other = pgbeam.Provider("other", api_key=config.require("explicit"), base_url=base_url)
replica("plain")
replica("explicit", pulumi.ResourceOptions(provider=other))
Component("given", pulumi.ResourceOptions(providers=[other]))
Component("free")

pulumi.export("regions", len(pgbeam.get_regions().regions))
pulumi.export("second", refused)
