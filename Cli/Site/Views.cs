using System.Text.Json;
using static Masquerade.Cli.Site.Printable;

namespace Masquerade.Cli.Site;

/// <summary>Documents of the API as people read them.</summary>
internal static class Views
{
    public static Sheet Status(JsonElement status)
    {
        var sheet = new Sheet("what", "how much");
        sheet.Add("coordinator", Of(status, "coordinator"));
        sheet.Add("running for", Age(status, "started"));
        sheet.Add("access points connected", $"{Of(status, "apsConnected")} of {Of(status, "aps")}");
        sheet.Add("clients present", $"{Of(status, "clientsPresent")} of {Of(status, "clients")}");
        sheet.Add("mappings", Of(status, "mappings"));
        sheet.Add("connections", Of(status, "connections"));
        sheet.Add("messages in, out", $"{Of(status, "messagesReceived")}, {Of(status, "messagesSent")}");
        sheet.Add("claims refused", Of(status, "claimsRefused"));
        sheet.Add("pushes waiting", Of(status, "pushesWaiting"));
        return sheet;
    }

    public static Sheet Aps(IEnumerable<JsonElement> rows)
    {
        var sheet = new Sheet("AP", "session", "for", "last heard", "clients", "served", "anchored", "addresses");
        foreach (var row in rows)
        {
            sheet.Add(
                Of(row, "ap"), Session(row), Age(row, "since"), Seconds(row, "heartbeatAgeSeconds"), Of(row, "clients"),
                Of(row, "mappingsServed"), Of(row, "mappingsAnchored"), Addresses(row));
        }

        return sheet;
    }

    /// <summary>The addresses that a node has now, and in brackets those that another one has for it.</summary>
    private static string Addresses(JsonElement row)
    {
        var elsewhere = string.Join(", ", row.GetProperty("elsewhere").EnumerateArray().Select(e => $"{Of(e, "address")} at {Of(e, "at")}{(e.GetProperty("byLoad").GetBoolean() ? " by load" : string.Empty)}"));
        return elsewhere.Length == 0 ? Of(row, "owned") : $"{Of(row, "owned")} ({elsewhere})";
    }

    private static string Session(JsonElement row)
    {
        bool Is(string what) => row.GetProperty(what).GetBoolean();
        return Is("failed") ? "FAILED" : !Is("connected") ? "DOWN" : Is("draining") ? (Is("fenced") ? "drained" : "draining") : Is("fenced") ? "fenced" : Is("here") ? "up" : "elsewhere";
    }

    public static Sheet Clients(IEnumerable<JsonElement> rows)
    {
        var sheet = new Sheet("client", "user", "at", "state", "for", "epoch", "mappings", "connections", "last move", "addresses");
        foreach (var row in rows)
        {
            var last = row.GetProperty("trail").EnumerateArray().Select(roam => $"{Of(roam, "from")} > {Of(roam, "to")} in {Seconds(roam, "gapSeconds")}").FirstOrDefault() ?? "-";
            sheet.Add(
                Of(row, "client"), User(row), Of(row, "at"), Of(row, "state"), Age(row, "since"), Of(row, "epoch"), Of(row, "mappingCount"), Of(row, "connectionCount"), last,
                Of(row, "addresses"));
        }

        return sheet;
    }

    /// <summary>Whose client it is, how that was proved, whether its link is protected, and since when.</summary>
    private static string User(JsonElement client) => client.TryGetProperty("user", out var user) && user.ValueKind == JsonValueKind.Object
        ? $"{Of(user, "name")} ({Of(user, "proof")}{(user.TryGetProperty("protected", out var isProtected) && isProtected.ValueKind == JsonValueKind.True ? ", protected" : string.Empty)}, {Age(user, "began")})" : "-";

    public static Sheet Flows(IEnumerable<JsonElement> rows)
    {
        var sheet = new Sheet("client", "protocol", "client endpoint", "server", "masquerade", "HAM", "FAM", "FAM endpoint", "state");
        foreach (var row in rows)
        {
            sheet.Add(
                Of(row, "client"), Of(row, "protocol"), Of(row, "clientEndpoint"), Of(row, "server"), Of(row, "masquerade"), Of(row, "ham"), Of(row, "fam"),
                Of(row, "famEndpoint"), Of(row, "state"));
        }

        return sheet;
    }

    /// <summary>One event on one line.</summary>
    public static string Event(JsonElement happened)
    {
        var client = Of(happened, "client");
        var told = Of(happened, "type") switch
        {
            "clientRoamed" or "clientReturned" => Roam(happened, client),
            "clientArrived" => $"{client} arrived at {Of(happened, "to")}",
            "clientFound" => $"{client} was found at {Of(happened, "to")}, {Of(happened, "mappings")} mappings",
            "clientLeft" => $"{client} left {Of(happened, "from")}, {Of(happened, "mappings")} mappings",
            "apUp" => $"{Of(happened, "ap")} is up{(happened.GetProperty("restarted").GetBoolean() ? ", after a restart" : string.Empty)}",
            "apDown" => $"{Of(happened, "ap")} is DOWN: {Of(happened, "reason")}",
            "apReplaced" => $"{Of(happened, "ap")}: a newer session took the place of one that was up",
            "apBehind" => $"{Of(happened, "ap")} did not take its news ({Of(happened, "lost")}) and starts over",
            "apFailed" => $"{Of(happened, "ap")} has FAILED; its addresses ({Of(happened, "addresses")}) go to others",
            "userAuthenticated" => $"{Of(happened, "user")} has authenticated at {Of(happened, "ap")} with {Of(happened, "client")}",
            "userServed" => $"{Of(happened, "user")} is let in at {Of(happened, "ap")} with {Of(happened, "client")} ({Of(happened, "proof")})",
            "userSessionChanged" => $"{Of(happened, "user")} with {Of(happened, "client")} may do something else: {Of(happened, "reason")}",
            "guestAdmitted" => $"{Of(happened, "user")} is admitted with {Of(happened, "client")} as {Of(happened, "role")} until {Of(happened, "ends")}",
            "guestRevoked" => $"{Of(happened, "user")} with {Of(happened, "client")} is captive again",
            "userSessionEnded" => $"the session of {Of(happened, "user")} with {Of(happened, "client")} is over: {Of(happened, "reason")}",
            "apDrained" => $"{Of(happened, "ap")} is drained: what is anchored there moves to others",
            "apUndrained" => $"{Of(happened, "ap")} may anchor again",
            "addressMoved" => $"{Of(happened, "address")} belongs to {Of(happened, "to")} now, no longer to {Of(happened, "from")}{(string.Equals(Of(happened, "reason"), "load", StringComparison.Ordinal) ? ", which had too much to do" : string.Empty)}",
            "claimRefused" => $"{Of(happened, "ap")}: refused a claim on {client}: {Of(happened, "reason")}",
            "placementLoop" => $"placement rules send {Of(happened, "count")} new connections round in a loop, the latest of {client} at {Of(happened, "ap")}; they are anchored where they are opened",
            "storeTrouble" => $"the store fails: {Of(happened, "reason")}, {Of(happened, "count")} times",
            "storeForgot" => "the store has lost everything; the access points announce what they have",
            "lost" => $"events are missing here: {Of(happened, "reason")}",
            var other => other,
        };
        return $"{Of(happened, "time")}  {Of(happened, "sequence"),6}  {told}";
    }

    private static string Roam(JsonElement roam, string client)
    {
        var how = Of(roam, "outcome") switch
        {
            "timedOut" => ", the previous access point kept silent",
            "superseded" => ", and went on before that was complete",
            _ => string.Empty,
        };
        return $"{client} moved {Of(roam, "from")} > {Of(roam, "to")}, gap {Seconds(roam, "gapSeconds")}, {Of(roam, "mappings")} mappings{how}";
    }

    /// <summary>An agent's own state.</summary>
    public static Sheet Local(JsonElement state)
    {
        var sheet = new Sheet("what", "how much");
        sheet.Add("node", Of(state, "node"));
        sheet.Add("session", $"{Of(state, "session")}, coordinator {Of(state, "coordinator")}");
        sheet.Add("clients here", state.GetProperty("clients").GetArrayLength().ToString(System.Globalization.CultureInfo.InvariantCulture));
        sheet.Add("connections served", Of(state, "connectionCount"));
        sheet.Add("mappings anchored", Of(state, "mappingCount"));
        if (state.TryGetProperty("portBlocks", out var blocks))
        {
            sheet.Add("blocks of ports", $"{Of(blocks, "clients")} of clients, {Of(blocks, "shared")} shared, {Of(blocks, "free")} free, {Of(blocks, "size")} ports each");
        }

        sheet.Add("neighbours", Of(state, "neighbours"));
        if (state.TryGetProperty("ways", out var ways))
        {
            foreach (var group in ways.EnumerateArray().Where(w => Of(w, "state") is not "direct").GroupBy(w => (Packets: Of(w, "packets"), State: Of(w, "state"))).OrderBy(g => g.Key))
            {
                var (towards, how) = (group.Key.Packets is "toServers" ? "to servers, from addresses of" : "to FAMs at", group.Key.State is "rewritten" ? "rewritten: the network drops them as they are" : "not known to get through");
                sheet.Add($"packets {towards}", $"{string.Join(", ", group.Select(w => Of(w, "peer")).Order(StringComparer.Ordinal))}: {how}");
            }

            sheet.Add("sent by HAMs, for servers, relayed for FAMs", $"{Of(state, "sentByHam")}, {Of(state, "sentForServer")}, {Of(state, "relayedForFam")}");
        }

        foreach (var side in state.GetProperty("devices").EnumerateObject())
        {
            sheet.Add($"{Of(side.Name)} {Of(side.Value, "name")}", $"{Of(side.Value, "received")} in, {Of(side.Value, "transmitted")} out, {Of(side.Value, "kernelDrops")} dropped by the kernel");
        }

        foreach (var drop in state.GetProperty("drops").EnumerateObject().Where(d => d.Value.ValueKind == JsonValueKind.Number && d.Value.GetInt64() > 0))
        {
            sheet.Add($"dropped: {Of(drop.Name)}", drop.Value.GetRawText());
        }

        return sheet;
    }
}
