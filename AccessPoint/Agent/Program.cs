using System.CommandLine;
using Masquerade.AccessPoint.Agent.Runtime;

// Exit codes: 0 stopped as asked (or the configuration is right), 1 could not run, 2 the command line or the configuration has mistakes.
var config = new Option<string>("--config") { Description = "The configuration file (JSON; docs/operations.md lists the keys).", Required = true };
var check = new Option<bool>("--check") { Description = "Validate the configuration, name every mistake, and stop." };
var print = new Option<bool>("--print-config") { Description = "Print the configuration with all defaults filled in, and stop." };
var events = new Option<string?>("--events") { Description = "Append one JSON object per event to this file; wins over eventsFile." };
var root = new RootCommand("The Masquerade access point agent: keeps clients' connections alive while they walk from one access point to the next.");
root.Options.Add(config);
root.Options.Add(check);
root.Options.Add(print);
root.Options.Add(events);
root.SetAction((result, cancel) => AgentProgram.RunAsync(
    result.GetRequiredValue(config), result.GetValue(check), result.GetValue(print), result.GetValue(events), Console.Out, Console.Error, cancel));

// The agent handles SIGTERM and SIGINT itself: it says goodbye to the coordinator and prints what it counted.
var parsed = root.Parse(args);
var code = await parsed.InvokeAsync(new InvocationConfiguration { ProcessTerminationTimeout = null }).ConfigureAwait(false);
return parsed.Errors.Count > 0 ? 2 : code;
