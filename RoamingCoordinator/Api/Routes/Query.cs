using System.Globalization;
using System.Text;
using Masquerade.Core.Flow;
using Masquerade.RoamingCoordinator.Api.Hosting;
using Microsoft.AspNetCore.Http;

namespace Masquerade.RoamingCoordinator.Api.Routes;

/// <summary>Reads a request's parameters, strictly: a misspelt one would be taken for one that is not there.</summary>
internal sealed class Query
{
    public const int MaxLimit = 1_000;
    private const int UsualLimit = 100;
    private const int MaxFilters = 64;

    private readonly HttpRequest _request;

    public Query(HttpRequest request, params string[] allowed)
    {
        _request = request;
        foreach (var key in request.Query.Keys)
        {
            if (!allowed.Contains(key, StringComparer.Ordinal))
            {
                throw Bad(allowed.Length == 0 ? "this takes no parameters" : $"a parameter is not one of {string.Join(", ", allowed)}");
            }
        }
    }

    /// <summary>How many rows at most.</summary>
    public int Limit
    {
        get
        {
            var text = One("limit");
            return text is null ? UsualLimit
                : int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var limit) && limit is >= 1 and <= MaxLimit ? limit
                : throw Bad($"limit is a whole number from 1 to {MaxLimit}");
        }
    }

    /// <summary>A parameter that is there once, or not at all.</summary>
    public string? One(string name)
    {
        var values = _request.Query[name];
        return values.Count <= 1 ? values.FirstOrDefault() : throw Bad($"{name} is there more than once");
    }

    /// <summary>Where the part before ended; empty at the beginning.</summary>
    public string After
    {
        get
        {
            var text = One("next");
            if (text is null)
            {
                return string.Empty;
            }

            try
            {
                return Encoding.UTF8.GetString(System.Buffers.Text.Base64Url.DecodeFromChars(text));
            }
            catch (FormatException)
            {
                throw Bad("next is not from an answer");
            }
        }
    }

    /// <summary>An access point to select, or none.</summary>
    public NodeId Node(string name)
    {
        var text = One(name);
        return text is null ? NodeId.None : NodeId.IsValid(text) ? new NodeId(text) : throw Bad($"{name} is a node's name");
    }

    /// <summary>A client to select, or none.</summary>
    public MacAddress Client(string name) => One(name) is { } text ? Mac(text) : MacAddress.None;

    /// <summary>Clients to select; empty for all.</summary>
    public IReadOnlySet<MacAddress> Clients(string name) => Several(name).Select(Mac).ToHashSet();

    /// <summary>The values of a parameter that may be there several times or be a list with commas.</summary>
    public IReadOnlyList<string> Several(string name)
    {
        var all = _request.Query[name].SelectMany(v => (v ?? string.Empty).Split(',')).ToList();
        return all.Count <= MaxFilters ? all : throw Bad($"{name} has over {MaxFilters} values");
    }

    /// <summary>A MAC address.</summary>
    public static MacAddress Mac(string text) => MacAddress.TryParse(text, out var mac) && !mac.IsNone ? mac : throw Bad("a client is a MAC address such as 02:00:00:00:00:01");

    /// <summary>Where a part ends, as the next request repeats it.</summary>
    public static string Cursor(string place) => System.Buffers.Text.Base64Url.EncodeToString(Encoding.UTF8.GetBytes(place));

    public static ProblemException Bad(string detail) => new(StatusCodes.Status400BadRequest, detail);
}
