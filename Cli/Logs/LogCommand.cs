using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using Masquerade.Cli.Site;
using Masquerade.Core.Flow;

namespace Masquerade.Cli.Logs;

/// <summary><c>masq log who</c>: which client had a masquerade endpoint at a time, by the logs of mappings.</summary>
internal static class LogCommand
{
    private const int Found = 0;
    private const int NotFound = 1;
    private const int CannotTell = 2;
    private const string DefaultFile = "/var/log/masq/mappings.log";

    public static Command Create()
    {
        var endpoint = new Argument<string>("ADDRESS:PORT") { Description = "The masquerade endpoint that a complaint names; of ICMP the query identifier stands for the port." };
        var protocol = new Option<string>("--protocol") { Description = "tcp, udp or icmp; any if it is not known.", DefaultValueFactory = _ => string.Empty };
        protocol.AcceptOnlyFromAmong("tcp", "udp", "icmp");
        var at = new Option<string?>("--at") { Description = "When, such as 2026-05-04T21:15:03Z; a time without a zone is UTC. All records if it is left out.", HelpName = "TIME" };
        var within = new Option<double>("--within") { Description = "How wrong the time may be, in seconds.", DefaultValueFactory = _ => 0, HelpName = "SECONDS" };
        var file = new Option<string[]>("--file") { Description = "The log's file (mappingLog.file); those that were moved aside are read along. May be given several times.", DefaultValueFactory = _ => [DefaultFile] };
        var server = new Option<string?>("--server")
        {
            Description = "Whom it spoke to, if that is known: where mappings are address-and-port-dependent (ports.mapping), clients share masquerade endpoints.", HelpName = "ADDRESS[:PORT]",
        };
        var json = new Option<bool>("--json") { Description = "The records as they are, and how certain each is." };
        var who = new Command("who", "Tell which client had a masquerade endpoint. Exit code 1: no record says so; 2: the logs cannot be read.") { endpoint, protocol, server, at, within, file, json };
        who.SetAction(parse =>
        {
            var error = parse.InvocationConfiguration.Error;
            if (!TransportEndpoint.TryParse(parse.GetValue(endpoint), out var asked))
            {
                error.WriteLine($"masq log who: {parse.GetValue(endpoint)} is not ADDRESS:PORT, or [ADDRESS]:PORT for IPv6");
                return CannotTell;
            }

            if (parse.GetValue(within) is not (>= 0 and <= 31_536_000))
            {
                error.WriteLine("masq log who: --within is not from 0 to a year");
                return CannotTell;
            }

            if (parse.GetValue(server) is { } named && !TryServer(named, out _))
            {
                error.WriteLine($"masq log who: --server {named} is not ADDRESS or ADDRESS:PORT, or [ADDRESS]:PORT for IPv6");
                return CannotTell;
            }

            TryServer(parse.GetValue(server), out var peer);
            DateTimeOffset? time = null;
            if (parse.GetValue(at) is { } text)
            {
                if (!DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var parsed))
                {
                    error.WriteLine($"masq log who: --at {text} is not a time such as 2026-05-04T21:15:03Z");
                    return CannotTell;
                }

                time = parsed;
            }

            try
            {
                var entries = LogFiles.Find(parse.GetValue(file)!, asked, parse.GetValue(protocol)!, out var missing);
                var answers = Answers(
                    entries.FindAll(e => IsTowards(e, peer)), time, TimeSpan.FromSeconds(parse.GetValue(within)), isOneProtocol: parse.GetValue(protocol)!.Length > 0);
                Write(parse.InvocationConfiguration.Output, error, asked, time, answers, missing, parse.GetValue(json));
                return answers.Count > 0 ? Found : NotFound;
            }
            catch (CliException e)
            {
                error.WriteLine($"masq log who: {Printable.Of(e.Message)}");
                return CannotTell;
            }
        });
        return new Command("log", "Ask the logs of mappings that agents write.") { who };
    }

    /// <summary>Reads an address with or without a port (which is 0 then).</summary>
    private static bool TryServer(string? text, out TransportEndpoint server)
    {
        if (TransportEndpoint.TryParse(text, out server))
        {
            return true;
        }

        server = IpAddress.TryParse(text, out var address) ? new TransportEndpoint(address, 0) : TransportEndpoint.None;
        return !server.IsNone;
    }

    /// <summary>Whether a client may have spoken to a server by a mapping: most mappings are for all servers.</summary>
    private static bool IsTowards(LogEntry entry, TransportEndpoint server) =>
        server.IsNone || entry.Server.IsNone || (entry.Server.Address == server.Address && (server.Port == 0 || server.Port == entry.Server.Port));

    /// <summary>The records that cover the time. A mapping in the midst of another client's block has a record of its own, which goes before that of the block.</summary>
    private static List<LogEntry> Answers(List<LogEntry> entries, DateTimeOffset? at, TimeSpan within, bool isOneProtocol)
    {
        if (at is not { } time)
        {
            return entries;
        }

        List<LogEntry> answers = [.. entries.Where(e => e.Covers(time, within))];
        if (isOneProtocol && answers.Any(e => !e.IsBlock && e.IsCertain(time)))
        {
            answers.RemoveAll(e => e.IsBlock);
        }

        // If both say that it was so for sure, one of them is wrong.
        return [.. answers.Select(e => e.IsCertain(time) && answers.Any(o => o.Contradicts(e) && o.IsCertain(time)) ? e with { IsDisputed = true } : e)];
    }

    private static void Write(TextWriter output, TextWriter error, TransportEndpoint asked, DateTimeOffset? at, List<LogEntry> answers, long missing, bool json)
    {
        if (json)
        {
            using var buffer = new MemoryStream();
            using (var writer = new Utf8JsonWriter(buffer, new JsonWriterOptions { Indented = true }))
            {
                writer.WriteStartObject();
                writer.WriteNumber("version", 1);
                writer.WriteString("asked", asked.ToString());
                writer.WriteNumber("missing", missing);
                writer.WriteStartArray("records");
                foreach (var answer in answers)
                {
                    writer.WriteStartObject();
                    if (at is { } time)
                    {
                        writer.WriteBoolean("certain", answer.IsCertain(time));
                    }

                    if (answer.KnownUntil is { } known)
                    {
                        writer.WriteString("certainUntil", Text(known));
                    }

                    foreach (var member in answer.Line.EnumerateObject())
                    {
                        member.WriteTo(writer);
                    }

                    writer.WriteEndObject();
                }

                writer.WriteEndArray();
                writer.WriteEndObject();
            }

            output.WriteLine(System.Text.Encoding.UTF8.GetString(buffer.ToArray()));
        }
        else
        {
            var sheet = new Sheet("CLIENT", "CLIENT ENDPOINT", "PROTOCOL", "FROM", "TO", "HAM", "ACCESS POINTS", "NOTE");
            foreach (var answer in answers)
            {
                sheet.Add(Printable.Of(answer.Client), ClientEndpoint(answer), answer.IsBlock ? "any" : Printable.Of(answer.Protocol), Printable.Of(answer.Line, "start"), Until(answer),
                    Printable.Of(answer.Ham), Printable.Of(answer.Line, "accessPoints"), Note(answer, at));
            }

            if (answers.Count > 0)
            {
                sheet.Write(output, isTerminal: false);
            }
            else
            {
                error.WriteLine($"masq log who: no record of {asked}{(at is { } time ? $" at {Text(time)}" : string.Empty)}");
            }
        }

        if (missing > 0)
        {
            error.WriteLine($"masq log who: {missing} records found no room and are missing in the logs");
        }
    }

    private static string ClientEndpoint(LogEntry entry) => !entry.Line.TryGetProperty("clientAddress", out _) ? "-"
        : entry.IsBlock ? Printable.Of(entry.Line, "clientAddress")
        : $"{Printable.Of(entry.Line, "clientAddress")} {Printable.Of(entry.Line, "clientPort")}";

    private static string Until(LogEntry entry) => entry.End is not null ? Printable.Of(entry.Line, "end")
        : entry.EndBefore is not null ? $"before {Printable.Of(entry.Line, "endBefore")}"
        : entry.IsAlive && entry.KnownUntil is { } known ? $"after {Text(known)}" : "-";

    private static string Text(DateTimeOffset time) => time.UtcDateTime.ToString("yyyy-MM-ddTHH:mm:ss.fffZ", CultureInfo.InvariantCulture);

    private static string Note(LogEntry entry, DateTimeOffset? at)
    {
        var note = entry.Record is "moved" ? $"{Printable.Of(entry.Line, "to")} goes on with it" : Printable.Of(entry.Line, "reason");
        note = entry.IsBlock ? string.Create(CultureInfo.InvariantCulture, $"{note}, ports {entry.Port} to {entry.LastPort}") : note;
        note = at is { } time && !entry.IsCertain(time) ? $"{note}, uncertain" : note;
        return entry.Server.IsNone ? note : $"{note}, towards {entry.Server} alone";
    }
}
