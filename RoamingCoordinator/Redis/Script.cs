using System.Text;

namespace Masquerade.RoamingCoordinator.Redis;

/// <summary>
/// The atomic steps, one per file in <c>Scripts/</c>. Whatever writes is a script, also where a command would do: after a fail-over the client goes on taking a promoted replica for one,
/// and refuses to send it commands that write.
/// </summary>
internal static class Script
{
    public static readonly string Set = Read("set");
    public static readonly string Claim = Read("claim");
    public static readonly string Withdraw = Read("withdraw");
    public static readonly string List = Read("list");
    public static readonly string Unlist = Read("unlist");
    public static readonly string Alive = Read("alive");
    public static readonly string Drop = Read("drop");
    public static readonly string Register = Read("register");
    public static readonly string Settle = Read("settle");
    public static readonly string Renew = Read("renew");
    public static readonly string Observe = Read("observe");
    public static readonly string Addresses = Read("addresses");
    public static readonly string Book = Read("book");
    public static readonly string Drain = Read("drain");
    public static readonly string Strike = Read("strike");
    public static readonly string Lease = Read("lease");
    public static readonly string Release = Read("release");

    public static readonly string UsersRead = Read("users-read");
    public static readonly string UsersDeny = Read("users-deny");
    public static readonly string UsersApply = Read("users-apply");
    public static readonly string UsersRestore = Read("users-restore");
    public static readonly string UsersText = Read("users-text");

    private static string Read(string name)
    {
        using var stream = typeof(Script).Assembly.GetManifestResourceStream($"{name}.lua")!;
        using var reader = new StreamReader(stream, Encoding.UTF8);
        return reader.ReadToEnd();
    }
}
