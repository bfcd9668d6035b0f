using System.CommandLine;
using System.Runtime.Versioning;
using Masquerade.RoamingCoordinator.Server;

[assembly: SupportedOSPlatform("linux")]

var config = new Option<string?>("--config") { Description = "JSON configuration file; options on the command line win over it" };
var listen = new Option<string?>("--listen") { Description = $"address:port for agents (default {ServerConfig.DefaultListen})" };
var name = new Option<string?>("--name") { Description = "name of this coordinator (default \"coordinator\")" };
var status = new Option<string?>("--status-socket") { Description = "Unix socket that answers every connection with one JSON document" };
var check = new Option<bool>("--check") { Description = "check the configuration and exit: 0 if it is good, 2 if not" };
var root = new RootCommand("The roaming coordinator: knows which connection is anchored where, and which access point serves each client.") { config, listen, name, status, check };
root.SetAction((parse, cancel) =>
{
    var loaded = ServerConfig.Load(parse.GetValue(config), parse.GetValue(listen), parse.GetValue(name), parse.GetValue(status), out var mistakes);
    foreach (var mistake in mistakes)
    {
        Console.Error.WriteLine($"configuration: {mistake}");
    }

    if (loaded is null)
    {
        return Task.FromResult(2);
    }

    if (parse.GetValue(check))
    {
        Console.WriteLine("the configuration is good");
        return Task.FromResult(0);
    }

    return CoordinatorServer.RunAsync(loaded, new LineLog(Console.Error), cancel);
});
return await root.Parse(args).InvokeAsync(new InvocationConfiguration { ProcessTerminationTimeout = TimeSpan.FromSeconds(5) });
