using Masquerade.Core.Flow;

namespace Masquerade.Auth.Filter;

/// <summary>Reads the items of an address or port set.</summary>
internal static class SetReader
{
    public static void Read(FilterSets sets, bool isAddresses, string name, IReadOnlyList<string> items, string where, ICollection<PolicyMistake> mistakes)
    {
        var most = isAddresses ? FilterLimits.MaxPrefixes : FilterLimits.MaxPorts;
        if (!FilterLimits.IsName(name))
        {
            mistakes.Add(new PolicyMistake(where, 0, 0, name, FilterLimits.NameForm));
        }
        else if (items.Count == 0 || items.Count > most)
        {
            mistakes.Add(new PolicyMistake(where, 0, 0, $"{items.Count} items", $"1 to {most}"));
        }
        else if (isAddresses)
        {
            var prefixes = new List<IpPrefix>(items.Count);
            foreach (var item in items)
            {
                if (FilterSets.TryParsePrefix(item, out var prefix))
                {
                    prefixes.Add(prefix);
                }
                else
                {
                    Note(mistakes, where, item, "an address, or a prefix without bits behind its length");
                }
            }

            AddOrNote(sets.TryAdd(name, prefixes), where, name, mistakes);
        }
        else
        {
            var ports = new List<PortRange>(items.Count);
            foreach (var item in items)
            {
                if (PortRange.TryParse(item, out var range))
                {
                    ports.Add(range);
                }
                else
                {
                    Note(mistakes, where, item, "a port 0-65535, or a range such as 8000-8100");
                }
            }

            AddOrNote(sets.TryAdd(name, ports), where, name, mistakes);
        }
    }

    private static void AddOrNote(bool added, string where, string name, ICollection<PolicyMistake> mistakes)
    {
        if (!added)
        {
            Note(mistakes, where, name, "each name once");
        }
    }

    private static void Note(ICollection<PolicyMistake> mistakes, string where, string found, string allowed)
    {
        if (mistakes.Count < FilterLimits.MaxMistakes)
        {
            mistakes.Add(new PolicyMistake(where, 0, 0, found, allowed));
        }
    }
}
