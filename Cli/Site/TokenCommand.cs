using System.CommandLine;
using System.Security.Cryptography;
using System.Text;
using Masquerade.Core.Flow;

namespace Masquerade.Cli.Site;

/// <summary><c>masq token</c>: a token for the API. It is printed once; what is kept is its hash.</summary>
internal static class TokenCommand
{
    public static Command Create()
    {
        var name = new Argument<string>("name") { Description = "Whose it is: 1 to 64 characters of A-Z a-z 0-9 . _ -" };
        var file = new Option<string>("--file") { Description = "The file that the coordinator's api.tokens names; it is made if it is not there.", Required = true };
        name.Validators.Add(result =>
        {
            if (!NodeId.IsValid(result.GetValueOrDefault<string>()))
            {
                result.AddError("A token's name has 1 to 64 characters of A-Z a-z 0-9 . _ -");
            }
        });
        var command = new Command("token", "Make a token for the API: print it, and add its hash to a file. To take one back remove its line.") { name, file };
        command.SetAction(parse =>
        {
            var token = Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(32));
            var line = $"{parse.GetValue(name)} sha256:{Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(token)))}\n";
            try
            {
                var path = parse.GetValue(file)!;
                using (var stream = new FileStream(path, new FileStreamOptions
                {
                    Mode = FileMode.Append, Access = FileAccess.Write, UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
                }))
                {
                    stream.Write(Encoding.UTF8.GetBytes(line));
                }

                parse.InvocationConfiguration.Output.WriteLine(token);
                return 0;
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                parse.InvocationConfiguration.Error.WriteLine($"masq token: {e.Message}");
                return 1;
            }
        });
        return command;
    }
}
